/** The ClickHouse port: a server over HTTP (server.ts) or the engine in this process (embedded.ts). */

type Param = string | number | boolean | readonly string[] | readonly number[] | null
export type Params = Readonly<Record<string, Param>>

export interface Store {
  /** Rows of a SELECT as objects; 64-bit integers and decimals as strings. Parameters as {name:Type}. */
  query<Row>(sql: string, params?: Params): Promise<Row[]>
  /** As `query`, for very many rows: the whole result as RowBinary, which is the caller's (see scan.ts). */
  scan(sql: string, params?: Params): Promise<Buffer>
  /**
   * Inserts rows as one block, synchronously: they are stored when it resolves. Rows are plain objects by
   * column name; times are made by `rowTime`. A rejection means: unknown, they may be there.
   */
  insert(table: string, rows: readonly object[]): Promise<void>
  /** Runs a statement without result: DDL, INSERT ... SELECT, ALTER. */
  command(sql: string, params?: Params): Promise<void>
  close(): Promise<void>
}
