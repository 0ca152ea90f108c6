/** A child of embedded.test.ts: opens a log and has nothing more to do. */
import { openEmbeddedLog } from '../../services/log/embedded.ts'

await openEmbeddedLog({ directory: process.argv[2]!, clock: () => 0 })
