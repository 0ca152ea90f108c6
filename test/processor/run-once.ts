/** A process of its own: folds the log of a directory into its tables until all of it is there, then ends. */
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import { foldAll } from './fold-all.ts'

const directory = process.argv[2]!
const log = await openEmbeddedLog({ directory: `${directory}/log`, clock: () => 4e12 })
const store = await openEmbeddedStore({ directory: `${directory}/clickhouse`, database: 'ebb' })
await migrate(store)
process.stdout.write('open\n')
await foldAll(log, store)
await store.close()
await log.close()
