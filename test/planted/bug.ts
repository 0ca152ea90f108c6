/** A bug that somebody could make, as one change of the source. */
export interface Bug {
  readonly name: string
  /** Of what faults.md promises, what breaks. */
  readonly breaks: string
  /** From the root of the repository. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly from: string
  readonly to: string
  /** Put behind the end of the file: imports and functions that `to` needs. */
  readonly behind?: string
  /** Where the simulator cannot see it: the test that fails. */
  readonly test?: string
}
