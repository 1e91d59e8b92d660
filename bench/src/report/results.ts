import type { Outcome } from '../cli/run.ts'
import type { Machine } from '../harness/machine.ts'

/** A run, where and when it was. */
export interface Results extends Outcome {
  /** ISO 8601. */
  readonly at: string
  readonly full: boolean
  readonly machine: Machine
}
