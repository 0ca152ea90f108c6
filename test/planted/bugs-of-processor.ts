/** From the clicks to the tables and to the log of alerts; the changes of the rules stand in test/processor/mutants.test.ts. */
import type { Bug } from './bug.ts'

const flush = 'services/processor/flush.ts'
const snapshot = 'services/processor/fold/snapshot.ts'
const userRow = 'services/processor/fold/user-row.ts'
const restore = 'services/processor/restore.ts'
const restoredUsers = 'services/processor/restored-users.ts'
const clickIds = 'services/processor/click-ids.ts'
const partition = 'services/processor/partition.ts'
const kept = 'services/processor/folded.ts'
const batch = 'services/processor/batch.ts'

export const bugsOfProcessor: readonly Bug[] = [
  {
    name: 'progress before rows',
    breaks: 'I1 I5',
    file: flush,
    from: '  await writeEffects(target, place, state, batch, living, round)\n',
    to: "  await insert(store, 'progress', [progressRow(target, place, state, reached)])\n  await writeEffects(target, place, state, batch, living, round)\n",
  },
  {
    name: 'commit before insert: progress before the rows of users',
    breaks: 'I2 I5',
    file: flush,
    from: '  for (let at = 0; at < living.length; at += usersAtOnce) {\n',
    to: "  await insert(store, 'progress', [progressRow(target, place, state, reached)])\n  for (let at = 0; at < living.length; at += usersAtOnce) {\n",
  },
  {
    name: 'users and progress are stored in the middle of a record',
    breaks: 'I1 I3',
    file: partition,
    from: '      await flusher.flushMidway(lease)\n',
    to: '      await flusher.flush(lease)\n',
  },
  {
    name: 'users before their clicks and sessions',
    breaks: 'I2 I5',
    file: flush,
    from: '  await allEnded([\n',
    to: "  await insert(store, 'users', living.map(user => userRow(place, user)))\n  await allEnded([\n",
  },
  {
    name: 'alerts to their log last',
    breaks: 'I3',
    file: flush,
    from: '  await appendAlerts(target, batch, { ...place, offset: state.offset })\n',
    to: '  queueMicrotask(() => void appendAlerts(target, batch, { ...place, offset: state.offset }).catch(() => {}))\n',
  },
  {
    name: 'progress by wall time: a zombie takes it back',
    breaks: 'I5',
    file: flush,
    from: '    version: versionAt(place.epoch, reached.nextOffset),\n    written_at',
    to: '    version: Math.floor(target.wallClock()),\n    written_at',
  },
  {
    name: 'a failed flush is given up and counts as done',
    breaks: 'I1',
    file: 'services/processor/persist.ts',
    from: '      troubled(error, attempt)\n',
    to: '      troubled(error, attempt)\n      if (lease) return undefined as Result\n',
  },
  {
    name: 'a user ahead of progress is not frozen',
    breaks: 'I2',
    file: snapshot,
    from: 'if (user.version >= nextOffset) {',
    to: 'if (false) {',
  },
  {
    name: '> for >=: a user of exactly the next record is not frozen',
    breaks: 'I2',
    file: snapshot,
    from: 'if (user.version >= nextOffset) {',
    to: 'if (user.version > nextOffset) {',
  },
  {
    name: 'a frozen user thaws one record early',
    breaks: 'I2',
    file: snapshot,
    from: 'thawing[thawing.length - 1]!.version < state.offset',
    to: 'thawing[thawing.length - 1]!.version <= state.offset',
  },
  {
    name: 'a frozen user is touched by his clicks',
    breaks: 'I2',
    file: 'services/processor/fold/click.ts',
    from: 'if (state.frozen.size > 0 && state.frozen.has(click.userId)) {',
    to: 'if (false) {',
  },
  {
    name: 'the clock is not restored',
    breaks: 'I2 I3',
    file: snapshot,
    from: '  state.clockMs = lowest(snapshot.clockMs)\n',
    to: '',
  },
  {
    name: 'the late bound is not restored',
    breaks: 'I2',
    file: snapshot,
    from: '  state.boundMs = lowest(snapshot.boundMs)\n',
    to: '',
  },
  {
    name: 'rules are lost on restore',
    breaks: 'I3',
    file: snapshot,
    from: '  for (const rule of snapshot.rules) state.rules.set(rule.id, rule)\n',
    to: '',
  },
  {
    name: 'the cutoffs are lost on restore',
    breaks: 'I3',
    file: snapshot,
    from: '  state.highMinor = snapshot.highMinor ?? Number.POSITIVE_INFINITY\n',
    to: '',
  },
  {
    name: 'timers are lost on restore',
    breaks: 'I3',
    file: snapshot,
    from: '  armTimers(state, user, entry)\n',
    to: '',
  },
  {
    name: 'the closing of sessions is lost on restore',
    breaks: 'I2',
    file: snapshot,
    from: '  armClosing(state, user, entry)\n',
    to: '',
  },
  {
    name: 'the end of the last closed session is forgotten',
    breaks: 'I2',
    file: userRow,
    from: '    closedUntilMs: readLowest(),\n',
    to: '    closedUntilMs: Math.min(readLowest(), Number.NEGATIVE_INFINITY),\n',
  },
  {
    name: 'recorded silences are forgotten on restore',
    breaks: 'I3',
    file: userRow,
    from: '    episodes: new Map(readList(readEpisode)),\n',
    to: '    episodes: new Map(readList(readEpisode).slice(0, 0)),\n',
  },
  {
    name: 'rows read before progress',
    breaks: 'I2 I5',
    file: restore,
    from: '  const progress = await readProgress(source, place)\n  const state = progress\n',
    to: '  source = await withUsersOfNow(source, place)\n  const progress = await readProgress(source, place)\n  const state = progress\n',
    behind: `
import { slotCount } from '../base/slot.ts'
async function withUsersOfNow(source: RestoreSource, place: Place): Promise<RestoreSource> {
  const { store, partitions } = source
  const all = await store.scan(
    'SELECT user_id, state, version FROM users FINAL WHERE slot >= {from:UInt16} AND slot < {to:UInt16} AND slot % {partitions:UInt16} = {partition:UInt16}',
    { from: 0, to: slotCount, partitions, partition: place.partition },
  )
  const scan: Store['scan'] = async (sql, params) => {
    if (!sql.includes('FROM users')) return store.scan(sql, params)
    return params?.from === 0 ? all : Buffer.alloc(0)
  }
  return { ...source, store: { ...store, scan } }
}
`,
    test: 'test/processor/overtaken.test.ts',
  },
  {
    name: 'rules are read back from their table',
    breaks: 'I3',
    file: restore,
    from: '  // Behind progress: rows may be ahead of it and never behind.\n',
    to: '  await takeRulesOfTable(source, state)\n',
    behind: `
import { nextRule, parseRule } from './fold/rule.ts'
async function takeRulesOfTable({ store }: RestoreSource, state: PartitionState): Promise<void> {
  state.rules.clear()
  const rows = await store.query<{ rule: string }>(
    'SELECT rule_id, revision, rule FROM rules ORDER BY rule_id, revision',
  )
  for (const { rule } of rows) {
    const text = parseRule(JSON.parse(rule))
    const next = nextRule(state.rules.get(text.id), text)
    if (next) state.rules.set(text.id, next)
  }
}
`,
  },
  {
    name: 'ids are read back beyond the version of the row',
    breaks: 'I2',
    file: clickIds,
    from: 'if (!user || row.offset + (row.epoch - epoch) * epochUnit > user.version) continue',
    to: 'if (!user) continue',
    test: 'test/processor/restore.test.ts',
  },
  {
    name: 'ids are not read back',
    breaks: 'I2',
    file: clickIds,
    from: 'session.ids.push(hash)',
    to: 'session.ids.push(-session.ids.length)',
    test: 'test/processor/restore.test.ts',
  },
  {
    name: 'the offsets of accepted clicks ahead of progress are not read',
    breaks: 'I3',
    file: restoredUsers,
    from: 'if (state.frozen.size > 0) state.acceptedAhead = await readAhead(source, place, nextOffset)',
    to: '',
    test: 'test/processor/guard.test.ts',
  },
  {
    name: 'the log is not compared with progress',
    breaks: 'I5',
    file: 'services/processor/log-fault.ts',
    from: 'return last && recordHash(last) !== lastHash ? another(where, nextOffset - 1) : undefined',
    to: 'return last && lastHash === where ? another(where, nextOffset - 1) : undefined',
    test: 'test/simulation/damage.test.ts',
  },
  {
    name: 'a log that is too short is read from its end',
    breaks: 'I5',
    file: 'services/processor/log-fault.ts',
    from: '  if (nextOffset > endOffset) return cutShort(where, nextOffset, endOffset)\n',
    to: '',
    test: 'test/simulation/damage.test.ts',
  },
  {
    name: 'the tombstone of a swallowed session is skipped',
    breaks: 'I2',
    file: batch,
    from: 'batchNow().sessions.push(tombstoneRow(place, user, sessionId, part, state.offset)),',
    to: 'void tombstoneRow(place, user, sessionId, part, state.offset),',
  },
  {
    name: 'a row of a user carries the offset of the flush, not of his change',
    breaks: 'I2',
    file: flush,
    from: 'some.map(user => userRow(place, user)),',
    to: 'some.map(user => userRow(place, { ...user, version: state.offset })),',
  },
  {
    name: 'an open session is not written',
    breaks: 'I2',
    file: flush,
    from: '      rows.push(sessionRow(place, user, session, false, user.version))\n',
    to: '      void session\n',
  },
  {
    name: 'the id of an alert holds wall time',
    breaks: 'I3',
    file: 'services/processor/fold/alert.ts',
    from: "const id = contentId('a', state.project, user.id, rule.id, version, since)",
    to: "const id = contentId('a', state.project, user.id, rule.id, version, since, Date.now())",
  },
  {
    name: 'the body of an alert holds wall time',
    breaks: 'I3',
    file: 'services/processor/alert-row.ts',
    from: '          clockMs: state.clockMs,\n          signals:',
    to: '          clockMs: performance.timeOrigin + Math.floor(performance.now() * 1000),\n          signals:',
  },
  {
    name: 'the tier is asked at the time of the alert, not of the silence',
    breaks: 'I3',
    file: 'services/processor/fold/timer.ts',
    from: 'return purchase ? standing.purchaseHigh : standing.activityHigh',
    to: 'return standing.activityValueMinor > 0 || purchase ? standing.activityValueMinor >= 2_000_000 : false',
    test: 'test/processor/cases.test.ts',
  },
  {
    name: 'an alert fires when it is due, not after',
    breaks: 'I3',
    file: 'services/processor/fold/timer.ts',
    from: 'if (!(since + first < beforeMs)) return noSteps',
    to: 'if (!(since + first <= beforeMs)) return noSteps',
    test: 'test/processor/cases.test.ts',
  },
  {
    name: 'a repeated id counts',
    breaks: 'I2',
    file: 'services/processor/fold/click.ts',
    from: 'if (isDuplicate(user, hash)) {',
    to: 'if (false) {',
  },
  {
    name: 'the late bound goes back',
    breaks: 'I2 I9',
    file: 'services/processor/fold/clock.ts',
    from: 'Math.max(state.boundMs, state.clockMs - disorderMs - latenessMs)',
    to: 'state.clockMs - disorderMs - latenessMs',
    test: 'test/processor/properties.test.ts',
  },
  {
    name: 'a record that is none is passed over without a row',
    breaks: 'I8',
    file: 'services/processor/record-fold.ts',
    from: '        folded.batch.rejects.push(deadRow(state, place, current, input))\n',
    to: '',
  },
  {
    name: 'a kept partition forgets what was not flushed',
    breaks: 'I1 I2',
    file: partition,
    from: '      const failed = await inTurn.settled()\n',
    to: '      const failed = await inTurn.settled()\n      forgetGathered(folded)\n',
    test: 'test/processor/kept.test.ts',
  },
  {
    name: 'what another process flushed meanwhile counts as flushed by a kept partition that is ahead',
    breaks: 'I1 I2',
    file: restore,
    from: 'if (folded.nextOffset <= folded.flushedOffset) forgetGathered(folded)',
    to: 'forgetGathered(folded)',
    test: 'test/processor/kept.test.ts',
  },
  {
    name: 'a kept partition goes on beyond what progress says',
    breaks: 'I5',
    file: restore,
    from: '!progress || progress.nextOffset < folded.flushedOffset || !folded.isOfOneMoment',
    to: '!progress || !folded.isOfOneMoment',
    test: 'test/processor/kept.test.ts',
  },
  {
    name: 'users changed since the last flush are forgotten',
    breaks: 'I2',
    file: kept,
    from: '    users.push(user)\n',
    to: '    if (users.length < 2) users.push(user)\n',
  },
]
