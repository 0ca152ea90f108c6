/** A log under test, and short ways to say what goes in, comes out and goes wrong. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { EbbError, type ErrorCode } from '../../services/base/errors.ts'
import type { Log, LogRecord, NewRecord, TopicSettings } from '../../services/log/log.ts'

export interface LogFixture {
  readonly log: Log
  /** Closes the log and opens it again; absent where nothing outlives the process. */
  readonly reopen?: () => Promise<Log>
  /** Moves the log's clock by so much, back too, and lets retention run; absent where a test cannot. */
  readonly elapse?: (durationMs: number) => Promise<void>
  /** Closes what is open and leaves nothing behind. */
  release(): Promise<void>
}

export interface LogAdapter {
  readonly durable: boolean
  readonly retains: boolean
  readonly open: () => Promise<LogFixture>
}

export const timeout = 60_000
export const keepAll: TopicSettings = {
  partitions: 2,
  retentionMs: Number.POSITIVE_INFINITY,
  retentionBytes: Number.POSITIVE_INFINITY,
}

let topics = 0

/** A log with one new topic, released after the test. */
export async function opened(
  context: TestContext,
  adapter: LogAdapter,
  settings: Partial<TopicSettings> = {},
): Promise<LogFixture & { readonly topic: string }> {
  const fixture = await adapter.open()
  context.after(() => fixture.release())
  const topic = `contract-${process.pid}-${topics++}`
  await fixture.log.ensure(topic, { ...keepAll, ...settings })
  return { ...fixture, topic }
}

export function texts(...values: readonly string[]): NewRecord[] {
  return values.map(value => ({ key: 'user', value: Buffer.from(value) }))
}

export function textsOf(records: readonly LogRecord[]): string[] {
  return records.map(record => String(record.value))
}

export function fails(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  return assert.rejects(promise, error => error instanceof EbbError && error.code === code)
}
