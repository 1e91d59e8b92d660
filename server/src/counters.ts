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
  /** In boxes: with junk this is a good part of the work, and to put a number back is a second look-up. */
  readonly #counts = new Map(COUNTED.map(name => [name, { count: 0 }]))
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
    this.#counts.get(name)!.count++
  }

  /** The counts since the start. */
  read(): Readonly<Record<Counted, number>> {
    const counts = [...this.#counts].map(([name, { count }]) => [name, count] as const)
    return Object.fromEntries(counts) as Record<Counted, number>
  }
}
