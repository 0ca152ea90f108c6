/** All tables of a project as they are now; gives what puts them back as a restored backup does. */
import type { Store } from '../../services/store/store.ts'

const prefix = 'backup_'

export async function backUp(store: Store): Promise<() => Promise<void>> {
  const rows = await store.query<{ name: string }>(
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name",
  )
  const tables = rows.map(({ name }) => name).filter(name => !name.startsWith(prefix))
  for (const table of tables) {
    await store.command(`CREATE TABLE ${prefix}${table} AS ${table}`)
    await store.command(`INSERT INTO ${prefix}${table} SELECT * FROM ${table}`)
  }
  return async () => {
    for (const table of tables) {
      await store.command(`TRUNCATE TABLE ${table}`)
      await store.command(`INSERT INTO ${table} SELECT * FROM ${prefix}${table}`)
    }
  }
}
