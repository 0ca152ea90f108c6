/** What stands on the log, decoded. The Avro of each is in schemas/avro; codec.ts turns bytes into these. */

export const clickTypes = ['track', 'page', 'screen', 'identify', 'group', 'alias'] as const
export type ClickType = (typeof clickTypes)[number]

/** Times are epoch ms, within 0 .. timeMsMax. */
export interface Click {
  readonly kind: 'click'
  /** Empty: its place in the log identifies it. */
  readonly eventId: string
  readonly userId: string
  readonly anonymousId: string | null
  readonly type: ClickType
  /** Event or page name; empty where the tracker sent none. */
  readonly name: string
  readonly timestampMs: number
  /** The writer's stamp; null where it gave none (only in `ebb pipe`). */
  readonly receivedAtMs: number | null
  readonly url: string | null
  readonly referrer: string | null
  /** In the project's currency; null where the event carries no usable amount. */
  readonly value: number | null
  readonly currency: string | null
  readonly orderId: string | null
  /** JSON object, or empty for none. */
  readonly properties: string
  /** JSON object, or empty for none. */
  readonly context: string
  readonly imported: boolean
  /** Only of a click that an earlier epoch judged: the partition's clock at that, by which it is judged again. */
  readonly judgedMs?: number
}

export type Control =
  | { readonly kind: 'tick'; readonly atMs: number; readonly writer: string }
  | { readonly kind: 'live'; readonly atMs: number }
  | { readonly kind: 'seal'; readonly atMs: number }
  | { readonly kind: 'rule'; readonly revision: number; readonly rule: string }
  | {
      readonly kind: 'cutoffs'
      readonly revision: number
      readonly high: number
      readonly keep: number
    }
  | {
      readonly kind: 'model'
      readonly revision: number
      readonly r: number
      readonly alpha: number
      readonly a: number
      readonly b: number
    }
  | { readonly kind: 'settings'; readonly revision: number; readonly settings: string }
  | {
      readonly kind: 'audience'
      readonly userId: string
      readonly segments: readonly string[]
      readonly scores: Readonly<Record<string, number>>
    }
  | { readonly kind: 'erase'; readonly userId: string }
  /** One of an earlier epoch, with its place there. */
  | {
      readonly kind: 'carriedErase'
      readonly userId: string
      readonly epoch: number
      readonly offset: number
    }
  | { readonly kind: 'standing'; readonly userId: string; readonly standing: string }

export type ClicksRecord = Click | Control

/** Why bytes are no record: `reason` is a short code for counting, `detail` a sentence for a person. */
export interface Dead {
  readonly kind: 'dead'
  readonly reason: string
  readonly detail: string
}

export const alertStatuses = [
  'fired',
  'stale',
  'held_out',
  'suppressed',
  'resolved',
  'cancelled',
] as const
export type AlertStatus = (typeof alertStatuses)[number]

/** One transition of one silence, as it stands on the alerts topic. */
export interface AlertRecord {
  readonly messageId: string
  readonly alertId: string
  readonly ruleId: string
  readonly ruleVersion: number
  readonly userId: string
  readonly status: AlertStatus
  readonly sinceMs: number
  readonly dueMs: number
  readonly thresholdMs: number
  readonly maxAgeMs: number
  /** The partition's clock at the record that made it. */
  readonly clockMs: number
  /** Whether a webhook is to carry it. */
  readonly send: boolean
  /** Fixed from the first time on; empty where none is sent. */
  readonly body: string
  /** Where in the clicks the record stands that made it; 0 and 0 where nobody told, which is before all others. */
  readonly epoch: number
  readonly offset: number
}

/** An Erase as the alerts topic tells it: it ends what was made at or before its place in the clicks, nothing behind. */
export interface Erasure {
  readonly userId: string
  readonly epoch: number
  readonly partition: number
  readonly offset: number
}

/** Whether an erasure takes what was made at that place in the clicks of the user. */
export function isTaken(
  erasure: { readonly epoch: number; readonly offset: number },
  { epoch, offset }: { readonly epoch: number; readonly offset: number },
): boolean {
  return epoch < erasure.epoch || (epoch === erasure.epoch && offset <= erasure.offset)
}

/** 2100-01-01T00:00:00Z: no time beyond it is taken. */
export const timeMsMax = 4_102_444_800_000
