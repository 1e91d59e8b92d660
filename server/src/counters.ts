import type { Status } from '@oneknock/shared'
import type { Validation } from './core/factors.ts'
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

/** What came through a door without a key, or was turned away there, by a word of the door's own. */
export type DoorCounts = Readonly<Record<string, Readonly<Record<string, number>>>>

/** Numbers only: whatever strangers send, this is all that they leave behind. */
export class Counters {
  /** Not a Map: with junk the same name comes again and again, and the engine then knows its place. */
  readonly #counts = Object.fromEntries(COUNTED.map(name => [name, 0])) as Record<Counted, number>
  readonly #doors = new Map<string, Map<string, number>>()
  readonly #validations = new Map<Validation, number>()

  /** Doors and words are ours: nothing that strangers send becomes one. */
  countDoor(door: string, what: string): void {
    const counts = this.#doors.get(door) ?? new Map<string, number>()
    this.#doors.set(door, counts.set(what, (counts.get(what) ?? 0) + 1))
  }

  readDoors(): DoorCounts {
    const doors = [...this.#doors].map(([door, counts]) => [door, Object.fromEntries(counts)])
    return Object.fromEntries(doors)
  }

  /** What became of an OTP that others were to be asked about. */
  countValidation(outcome: Validation): void {
    this.#validations.set(outcome, (this.#validations.get(outcome) ?? 0) + 1)
  }

  readValidations(): readonly (readonly [Validation, number])[] {
    return [...this.#validations]
  }

  count(name: Counted): void {
    this.#counts[name]++
  }

  /** The counts since the start. */
  read(): Readonly<Record<Counted, number>> {
    return { ...this.#counts }
  }
}
