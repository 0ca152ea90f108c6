/**
 * Each kind of difference is planted in real tables, each at users of its own or at a partition, and one audit must name
 * them all.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { audit, type Findings } from '../../services/audit/audit.ts'
import type { AuditKind, Difference } from '../../services/audit/source.ts'
import { partitionOf } from '../../services/base/slot.ts'
import type { Store } from '../../services/store/store.ts'
import { openScene, type Scene } from './scene.ts'

const partitions = 4
/** Loses its progress, and with it all that could be said of its users: other plants are elsewhere. */
const lostPartition = 3

interface Plant {
  readonly name: string
  /** Chooses the row: a query for `user` and `key`; users that were chosen before are left out. Or what has none. */
  readonly choose: string
  /** Statements with {user:String} and {key:String}. */
  readonly change: readonly string[]
  readonly kind: AuditKind
  /** What the difference names, beside the user. */
  readonly is: RegExp
  readonly should: RegExp
}

const final = 'FROM sessions FINAL WHERE final AND clicks > 2'
const ofKey = 'user_id = {user:String} AND session_id = {key:String}'
const ofUser = 'user_id = {user:String}'
const ofEvent = 'user_id = {user:String} AND event_id = {key:String}'
const drop = (table: string, where: string) =>
  `ALTER TABLE ${table} DELETE WHERE ${where} SETTINGS mutations_sync = 1`
const put = (table: string, change: string, where: string) =>
  `INSERT INTO ${table} SELECT * REPLACE (${change}) FROM (SELECT * FROM ${table} FINAL WHERE ${where})`
const sessionOf = `SELECT user_id AS user, session_id AS key ${final}`
const clickOf = (where: string) =>
  `SELECT user_id AS user, event_id AS key FROM clicks FINAL WHERE ${where}`

const plants: Plant[] = [
  {
    name: 'a session with one click more',
    choose: sessionOf,
    change: [put('sessions', 'clicks + 1 AS clicks', ofKey)],
    kind: 'sessions',
    is: /clicks/,
    should: /clicks/,
  },
  {
    name: 'a session that begins a second early',
    choose: sessionOf,
    change: [put('sessions', 'start - INTERVAL 1 SECOND AS start', ofKey)],
    kind: 'sessions',
    is: /final, id/,
    should: /final, id/,
  },
  {
    name: 'a session with other money',
    choose: sessionOf,
    change: [put('sessions', 'value + 1 AS value', ofKey)],
    kind: 'sessions',
    is: /value/,
    should: /value/,
  },
  {
    name: 'a session under another id',
    choose: sessionOf,
    change: [put('sessions', "'another' AS session_id", ofKey), drop('sessions', ofKey)],
    kind: 'sessions',
    is: /id another/,
    should: /id [a-z2-7]{26}/,
  },
  {
    name: 'a final session that is called open',
    choose: sessionOf,
    change: [put('sessions', 'false AS final', ofKey)],
    kind: 'sessions',
    is: /open/,
    should: /final/,
  },
  {
    name: 'a session that is missing',
    choose: sessionOf,
    change: [drop('sessions', ofKey)],
    kind: 'sessions',
    is: /^missing$/,
    should: /clicks/,
  },
  {
    name: 'a neighbour within the gap that no click stands behind',
    choose: sessionOf,
    change: [
      put(
        'sessions',
        "'neighbour' AS session_id, end + INTERVAL 5 MINUTE AS start, end + INTERVAL 5 MINUTE AS end, 1 AS clicks",
        ofKey,
      ),
    ],
    kind: 'sessions',
    is: /1 clicks.*id neighbour/,
    should: /no accepted click/,
  },
  {
    name: 'an accepted click that is missing',
    choose: clickOf("verdict = 'accepted' AND NOT purchase"),
    change: [drop('clicks', ofEvent)],
    kind: 'log',
    is: /in no table/,
    should: /accepted/,
  },
  {
    name: 'an accepted click that is called late',
    choose: clickOf("verdict = 'accepted' AND NOT purchase"),
    change: [put('clicks', "'late' AS verdict", ofEvent)],
    kind: 'verdicts',
    is: /late in clicks alone/,
    should: /in rejects too/,
  },
  {
    name: 'a late click that is called accepted',
    choose: clickOf("verdict = 'late' AND NOT purchase"),
    change: [put('clicks', "'accepted' AS verdict", ofEvent)],
    kind: 'log',
    is: /accepted and late/,
    should: /late/,
  },
  {
    name: 'a click called late by a bound that it does not lie behind',
    choose: clickOf("verdict = 'late' AND NOT purchase"),
    change: [put('clicks', 'timestamp AS clock', ofEvent)],
    kind: 'verdicts',
    is: /late, though the bound was/,
    should: /in time/,
  },
  {
    name: 'a session that a click behind the bound opened',
    choose:
      "SELECT user_id AS user, argMin(event_id, offset) AS key FROM clicks FINAL WHERE verdict = 'accepted' GROUP BY user_id",
    change: [put('clicks', 'timestamp + INTERVAL 1 DAY AS clock', ofEvent)],
    kind: 'verdicts',
    is: /first click of a session, though the bound was/,
    should: /late/,
  },
  {
    name: 'an identify call that is called activity',
    choose: clickOf("verdict = 'aside' AND type = 'identify'"),
    change: [put('clicks', "'accepted' AS verdict", ofEvent)],
    kind: 'verdicts',
    is: /accepted/,
    should: /aside/,
  },
  {
    name: 'a duplicate that is missing',
    choose: "SELECT user_id AS user, event_id AS key FROM rejects FINAL WHERE kind = 'duplicate'",
    change: [drop('rejects', `${ofEvent} AND kind = 'duplicate'`)],
    kind: 'log',
    is: /in no table/,
    should: /duplicate/,
  },
  {
    name: 'an order that counts no longer',
    choose: clickOf("verdict = 'accepted' AND purchase"),
    change: [put('clicks', 'false AS purchase, 0 AS amount', ofEvent)],
    kind: 'users',
    is: /no counted order/,
    should: /a counted order/,
  },
  {
    name: "a user's value",
    choose: 'SELECT user_id AS user, user_id AS key FROM users FINAL WHERE notEmpty(money_amounts)',
    change: [
      put('users', 'arrayMap(amount -> amount + 1, money_amounts) AS money_amounts', ofUser),
    ],
    kind: 'users',
    is: /in the last 90 days/,
    should: /in the last 90 days/,
  },
  {
    name: "a user's count of clicks",
    choose: 'SELECT user_id AS user, user_id AS key FROM users FINAL',
    change: [put('users', 'clicks + 1 AS clicks', ofUser)],
    kind: 'users',
    is: /^clicks \d+$/,
    should: /^clicks \d+$/,
  },
  {
    name: "a user's last activity",
    choose: 'SELECT user_id AS user, user_id AS key FROM users FINAL',
    change: [put('users', 'last_seen + INTERVAL 1 MINUTE AS last_seen', ofUser)],
    kind: 'users',
    is: /last_seen/,
    should: /last_seen/,
  },
  {
    name: "a user's tier",
    choose: 'SELECT user_id AS user, user_id AS key FROM users FINAL',
    change: [put('users', "if(tier = '', 'high', '') AS tier", ofUser)],
    kind: 'users',
    is: /tier/,
    should: /tier/,
  },
  {
    name: "a user's state",
    choose: 'SELECT user_id AS user, user_id AS key FROM users FINAL',
    change: [
      put(
        'users',
        'replace(state, toString(toUnixTimestamp64Milli(first_seen)), toString(toUnixTimestamp64Milli(first_seen) - 1)) AS state',
        ofUser,
      ),
    ],
    kind: 'users',
    is: /state/,
    should: /state/,
  },
  {
    name: 'a user that is missing',
    choose: 'SELECT user_id AS user, user_id AS key FROM users FINAL',
    change: [drop('users', ofUser)],
    kind: 'users',
    is: /^missing$/,
    should: /there, of record \d+/,
  },
  {
    name: 'a day with one click less',
    choose: 'SELECT user_id AS user, toString(day) AS key FROM user_days FINAL',
    change: [
      put('user_days', 'clicks - 1 AS clicks', `${ofUser} AND toString(day) = {key:String}`),
    ],
    kind: 'days',
    is: /clicks \d+/,
    should: /clicks \d+/,
  },
  {
    name: 'a day that is missing',
    choose: 'SELECT user_id AS user, toString(day) AS key FROM user_days FINAL',
    change: [drop('user_days', `${ofUser} AND toString(day) = {key:String}`)],
    kind: 'days',
    is: /clicks 0/,
    should: /clicks [1-9]/,
  },
  {
    name: 'an alert that is missing',
    choose: 'SELECT user_id AS user, message_id AS key FROM alerts FINAL',
    change: [drop('alerts', 'message_id = {key:String}')],
    kind: 'alerts',
    is: /^missing$/,
    should: /there: \w+ under rule/,
  },
  {
    name: 'an alert that the log does not lead to',
    choose: 'SELECT user_id AS user, message_id AS key FROM alerts FINAL',
    change: [put('alerts', "'added' AS message_id", 'message_id = {key:String}')],
    kind: 'alerts',
    is: /there: \w+ under rule/,
    should: /not there/,
  },
  {
    name: 'an alert with another body',
    choose: "SELECT user_id AS user, message_id AS key FROM alerts FINAL WHERE body != ''",
    change: [put('alerts', "concat(body, ' ') AS body", 'message_id = {key:String}')],
    kind: 'alerts',
    is: /another body/,
    should: /SHA-256/,
  },
  {
    name: 'an alert with another due time',
    choose: 'SELECT user_id AS user, message_id AS key FROM alerts FINAL',
    change: [put('alerts', 'due + INTERVAL 1 SECOND AS due', 'message_id = {key:String}')],
    kind: 'alerts',
    is: /^due \d+$/,
    should: /^due \d+$/,
  },
  {
    name: 'progress with another state',
    choose: "SELECT 'progress of clicks partition 1' AS user, '1' AS key",
    change: [
      put(
        'progress',
        `replaceRegexpOne(state, '"clockMs":([0-9]+)', '"clockMs":1\\\\1') AS state`,
        'toString(partition) = {key:String}',
      ),
    ],
    kind: 'progress',
    is: /^clockMs 1\d+$/,
    should: /^clockMs \d+$/,
  },
  {
    name: 'progress that is missing',
    choose: `SELECT 'progress of clicks partition ${lostPartition}' AS user, '${lostPartition}' AS key`,
    change: [drop('progress', 'toString(partition) = {key:String}')],
    kind: 'progress',
    is: /^missing/,
    should: /^there/,
  },
]

/** Changes the tables; resolves to the user whose rows were changed. */
async function carryOut(store: Store, plant: Plant, used: Set<string>): Promise<string> {
  const rows = await store.query<{ user: string; key: string }>(
    `SELECT * FROM (${plant.choose}) ORDER BY user, key`,
  )
  const isLost = (user: string) =>
    plant.kind !== 'progress' && partitionOf(user, partitions) === lostPartition
  const row = rows.find(({ user }) => !used.has(user) && !isLost(user))
  assert.ok(row, `${plant.name}: there is a row to change`)
  used.add(row.user)
  for (const statement of plant.change) await store.command(statement, { ...row })
  return row.user
}

describe('an audit', () => {
  let scene: Scene
  before(async () => {
    scene = await openScene(partitions)
  })
  after(() => scene.close())

  test('of an honest project finds nothing, and looks at all of it', async () => {
    const findings = await audit(scene.source, 0)
    assert.deepEqual(differencesOf(findings), [])
    const counts = await scene.store.query<{ count: string }>(
      `SELECT count() AS count FROM sessions FINAL UNION ALL SELECT count() AS count FROM users FINAL
       UNION ALL SELECT count() AS count FROM user_days FINAL UNION ALL SELECT count() AS count FROM alerts FINAL
       ORDER BY count`,
    )
    const { sessions, users, days, alerts } = findings
    const checked = [sessions, users, days, alerts].map(finding => finding.checked)
    assert.deepEqual(
      checked.sort((left, right) => left - right),
      counts.map(({ count }) => Number(count)).sort((left, right) => left - right),
    )
    assert.ok(alerts.checked > 20 && sessions.checked > 500, 'there is something to look at')
    assert.deepEqual(findings.sessions.notes, [])
  })

  describe('names', () => {
    const users = new Map<Plant, string>()
    let differences: Difference[] = []
    before(async () => {
      const used = new Set<string>()
      for (const plant of plants) users.set(plant, await carryOut(scene.store, plant, used))
      differences = differencesOf(await audit(scene.source, 0))
    })

    for (const plant of plants)
      test(plant.name, () => {
        const user = users.get(plant)!
        const own = differences.filter(({ where }) => isAbout(where, user))
        assert.ok(
          own.some(
            ({ kind, is, should }) =>
              kind === plant.kind && plant.is.test(is) && plant.should.test(should),
          ),
          JSON.stringify(own, null, 2),
        )
      })

    test('nobody else', () => {
      const planted = [...users.values()]
      const others = differences.filter(({ where }) => !planted.some(user => isAbout(where, user)))
      assert.deepEqual(others, [])
    })
  })
})

function differencesOf(findings: Findings): Difference[] {
  return Object.values(findings).flatMap(({ examples, differences }) => {
    assert.ok(differences <= 20, 'all of them are named')
    return examples
  })
}

/** Users are called `user 7`: that is no part of `user 70`. */
function isAbout(where: string, user: string): boolean {
  return new RegExp(`\\b${user}(?!\\d)`).test(where)
}
