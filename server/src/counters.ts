import type { Status } from '@oneknock/shared'
import { SILENT_STAGES, type SilentStage } from './core/verify.ts'

/** What can be counted: where silent packets stopped, what knocks came to, and packets of known knocks. */
export type Counted = SilentStage | Status | 'again'

const COUNTED: readonly Counted[] = [
  ...SILENT_STAGES,
  'opened',
  'closed',
  'pending',
  'refused',
  'again',
]

/** Numbers only: whatever strangers send, this is all that they leave behind. */
export class Counters {
  readonly #counts = new Map<Counted, number>(COUNTED.map(name => [name, 0]))

  count(name: Counted): void {
    this.#counts.set(name, this.#counts.get(name)! + 1)
  }

  /** The counts since the start. */
  read(): Readonly<Record<Counted, number>> {
    return Object.fromEntries(this.#counts) as Record<Counted, number>
  }
}
