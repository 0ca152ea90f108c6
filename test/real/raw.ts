/**
 * The orders' file read by ClickHouse itself, with no code of Ebb's in between: what Ebb's tables say is
 * compared with plain SQL over these.
 *
 *   raw.rows     the file's rows as they stand there, numbered
 *   raw.orders   one row an identified invoice: who, when (its earliest row), how much, order or refund
 */

import { ordersFile } from './files.ts'
import type { Project } from './project.ts'

const statements = [
  'CREATE DATABASE raw',
  `CREATE TABLE raw.rows (n UInt32, InvoiceNo String, StockCode String, Description String, Quantity Int32,
     InvoiceDate DateTime('UTC'), UnitPrice Decimal(18, 4), CustomerID String, Country String)
   ENGINE = MergeTree ORDER BY n`,
  `INSERT INTO raw.rows
   SELECT rowNumberInAllBlocks() AS n, * FROM file('${ordersFile}', 'CSVWithNames',
     'InvoiceNo String, StockCode String, Description String, Quantity Int32, InvoiceDate DateTime(\\'UTC\\'),
      UnitPrice Decimal(18, 4), CustomerID String, Country String')
   SETTINGS max_threads = 1, input_format_parallel_parsing = 0`,
  `CREATE TABLE raw.orders ENGINE = MergeTree ORDER BY (user_id, at, n) AS
   SELECT any(CustomerID) AS user_id, min(InvoiceDate) AS at, min(n) AS n, InvoiceNo AS invoice,
          startsWith(invoice, 'C') AS refund, sum(UnitPrice * Quantity) AS amount
   FROM raw.rows WHERE CustomerID != '' GROUP BY invoice`,
]

export async function readRaw(project: Project): Promise<void> {
  for (const statement of statements) await project.store.command(statement)
}
