/** What every connection to ClickHouse is given once, by what it is for; the same in process as by HTTP. */

import type { EngineSettings } from './connection.ts'

const shared = {
  // An insert is stored when it is acknowledged, not queued.
  async_insert: 0,
  // Numbers beyond 2^53 and decimals arrive as text, exact.
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
} as const

/**
 * One batch, one block, one part, all or nothing. Parsing in parallel cuts blocks at 10 MB, which only
 * min_insert_block_size_* join again: it is off, so that a block ends at max_insert_block_size rows, far
 * above a batch, and nowhere else.
 */
export const writing = {
  ...shared,
  input_format_parallel_parsing: 0,
  max_insert_block_size: '1048576',
  // A column or a null that the table does not have is a mistake, not something to drop.
  input_format_skip_unknown_fields: 0,
  input_format_null_as_default: 0,
  max_memory_usage: '1073741824',
  max_execution_time: 120,
} as const satisfies EngineSettings

export const reading = {
  ...shared,
  max_memory_usage: '1073741824',
  max_execution_time: 60,
} as const satisfies EngineSettings

/** DDL, INSERT ... SELECT, mutations. */
export const maintenance = {
  ...shared,
  max_memory_usage: '2147483648',
  max_execution_time: 3600,
} as const satisfies EngineSettings
