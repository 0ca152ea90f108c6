/** A process of its own: folds the log of a directory into its tables until all of it is there, then ends. */
import { nextTurn } from '../../services/base/time.ts'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import { foldAll } from './fold-all.ts'
import { seeded } from './shop.ts'

const directory = process.argv[2]!
/** The table and the number of its insert right after which the process dies; none: it lives. */
const [deathTable, deathInsert] = (process.argv[3] ?? ' 0').split(' ')
const log = await openEmbeddedLog({ directory: `${directory}/log`, clock: () => 4e12 })
const store = await openEmbeddedStore({ directory: `${directory}/clickhouse`, database: 'ebb' })
await migrate(store)
process.stdout.write('open\n')
// Nothing else keeps the process: the processor's own timers do not.
const alive = setInterval(() => {}, 1000)
let inserts = 0
const random = seeded(process.pid)
await foldAll(log, {
  ...store,
  async insert(table, rows) {
    // Inserts that stand side by side reach the tables in any order: at a death any of them may be missing.
    for (let turns = random() * 8; turns > 1; turns--) await nextTurn()
    await store.insert(table, rows)
    if (table === deathTable && ++inserts === Number(deathInsert))
      process.kill(process.pid, 'SIGKILL')
  },
})
clearInterval(alive)
await store.close()
await log.close()
