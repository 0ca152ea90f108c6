/** The queries of docs/examples.md, asked as a reader would: over HTTP, exactly as they are printed. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { serveStore } from '../../services/store/http.ts'
import type { Project } from './project.ts'

const page = readFileSync(new URL('../../docs/examples.md', import.meta.url), 'utf8')

function printedQuery(heading: string): string {
  const section = page.split(/^## /m).find(part => part.startsWith(`${heading}\n`))
  const query = /^```sql\n([\s\S]*?)^```$/m.exec(section ?? '')?.[1]
  assert.ok(query, `docs/examples.md has a query under ${heading}`)
  return query
}

/** The rows that a reader gets. */
export async function askExample<Row>(project: Project, heading: string): Promise<Row[]> {
  const server = await serveStore({ store: project.store, host: '127.0.0.1', port: 0 })
  try {
    const url = `http://127.0.0.1:${server.port}/?default_format=JSONEachRow`
    const response = await fetch(url, { method: 'POST', body: printedQuery(heading) })
    const text = await response.text()
    assert.equal(response.status, 200, text)
    return text
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line))
  } finally {
    await server.close()
  }
}
