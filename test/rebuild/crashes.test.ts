/** A rebuild that dies at one call to tables or log after the other, and is given again each time, ends the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Log } from '../../services/log/log.ts'
import { drainEpoch } from '../../services/rebuild/drain.ts'
import {
  beginRebuild,
  continueRebuild,
  originOf,
  type Site,
} from '../../services/rebuild/rebuild.ts'
import { shadowNameOf } from '../../services/rebuild/shadow.ts'
import { readOpenRebuild, steps } from '../../services/rebuild/steps.ts'
import type { Store } from '../../services/store/store.ts'
import { shopLog, shopRules } from '../processor/shop.ts'
import {
  auditFindsNothing,
  createRebuilders,
  messages,
  present,
  type Rebuilder,
  seen,
  siteOf,
} from './rebuilder.ts'

const shop = { seed: 5, clicks: 900, users: 60, stepMs: 60_000 }
/** Each step is died in at every so manieth call; `EBB_CRASH_STRIDE=1`: at every one, which takes two minutes. */
const stride = Number(process.env.EBB_CRASH_STRIDE ?? 7)

const { openFolded } = createRebuilders()

/** Passes on so many calls; the one after them, and all that follow, fail: for each second life it is done all the same. */
function mortal(calls: number, life: number) {
  let left = calls
  return async <Result>(call: () => Promise<Result>): Promise<Result> => {
    if (left-- > 0) return call()
    if (left === -1 && life % 2 === 0) await call()
    throw new Error('dead')
  }
}

type Way = ReturnType<typeof mortal>

const storeOn = (store: Store, way: Way): Store => ({
  query: (sql, params) => way(() => store.query(sql, params)),
  scan: (sql, params) => way(() => store.scan(sql, params)),
  insert: (table, rows) => way(() => store.insert(table, rows)),
  command: (sql, params) => way(() => store.command(sql, params)),
  close: () => store.close(),
})

const logOn = (log: Log, way: Way): Log => ({
  ...log,
  ensure: (topic, settings) => way(() => log.ensure(topic, settings)),
  append: (topic, partition, records) => way(() => log.append(topic, partition, records)),
  bounds: (topic, partition) => way(() => log.bounds(topic, partition)),
})

function siteThatDies(project: Rebuilder, way: Way): Site {
  const site = siteOf(project)
  const { tables, alertsTopic, alertsPartitions } = site
  const log = logOn(project.log, way)
  const store = storeOn(tables.store, way)
  return {
    ...{ ...site, log, tables: { ...tables, store, shadow: storeOn(tables.shadow, way) } },
    drain: epoch =>
      drainEpoch({ log, store, alertsTopic, alertsPartitions, project: 'default', ...epoch }),
  }
}

/** One life of the command. */
async function live(project: Rebuilder, site: Site): Promise<void> {
  const { store } = site.tables
  const found = await readOpenRebuild(store)
  const open =
    found && found.step !== 'staging'
      ? found
      : await beginRebuild(site, await present({ ...project, store }, 2))
  await continueRebuild(site, await originOf(site, open), open)
}

test('dead at one call after the other, it comes to its end, and nothing differs', async t => {
  const open = (database: string) => openFolded(database, shopRules, shopLog(shop, 1)[0]!, 2)
  const steady = await open('ebb')
  const project = await open('ebb_mortal')
  const deaths = new Map<string, number>()
  for (let step = 'none', lives = 0; lives < 1_000; lives++) {
    // Each life opens what the one before may have dropped.
    const shadow = await project.store.openBeside(shadowNameOf(project.store.database))
    const count = deaths.get(step) ?? 0
    const site = siteThatDies({ ...project, shadow }, mortal(count * stride, lives))
    try {
      await live(project, site)
      break
    } catch (error) {
      assert.match(String(error), /dead/)
      deaths.set(step, count + 1)
      step = (await readOpenRebuild(project.store))?.step ?? 'none'
    } finally {
      await shadow.close()
    }
  }
  const told = [...deaths].map(([step, count]) => `${step} ${count}`).join(', ')
  t.diagnostic(`deaths by step: ${told}`)
  // Adopting is for tables that are older than the topic (ahead.test.ts).
  for (const step of steps.slice(0, -2).filter(step => step !== 'adopting'))
    assert.ok(deaths.get(step)! > 2, told)
  const second = await present(project, 2)
  assert.ok(second.epoch > 0)
  const [expected, found] = [await seen(steady), await seen(project)]
  for (const name of Object.keys(expected)) assert.deepEqual(found[name], expected[name], name)
  assert.deepEqual(await messages(project), await messages(steady))
  await auditFindsNothing(project, second)
})
