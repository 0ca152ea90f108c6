/**
 * The two real files of the handbook. They are no part of the project, so where they are missing every test
 * of this folder is skipped, and says so loudly.
 */
import { existsSync } from 'node:fs'
import type { MappingOptions } from '../../services/collector/import/mapping.ts'

const data = new URL('../../../shared/data/', import.meta.url).pathname

export const clicksFile = `${data}retentioneering_ecom.csv.gz`
export const ordersFile = `${data}uci_online_retail.csv.gz`

export const mappings: Readonly<Record<string, MappingOptions>> = {
  [clicksFile]: { user: 'user_id' },
  // One order is one InvoiceNo; those that begin with C are cancellations.
  [ordersFile]: {
    user: 'CustomerID',
    time: 'InvoiceDate',
    event: 'Order Completed',
    order: 'InvoiceNo',
    refundPrefix: 'C',
    value: 'Quantity*UnitPrice',
    property: ['Country'],
  },
}

const missing = [clicksFile, ordersFile].find(path => !existsSync(path))

/** For the options of a test. */
export const skip =
  missing === undefined ? false : `NOT PROVED ON REAL INPUT: ${missing} is not there`
if (skip) process.stderr.write(`${skip}\n`)
