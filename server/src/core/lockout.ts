import { isDoor } from './doors.ts'
import { membersOf, type Recorded } from './recorded.ts'
import { SteadyMap } from './steady.ts'

/** Wrong codes that a device may send within `FAILURES_WITHIN_MS` before it is locked. */
export const FAILURES_MAX = 5
export const FAILURES_WITHIN_MS = 10 * 60_000
/** The first lock; each further one, until a right code, lasts twice as long. */
export const LOCK_MS = 15 * 60_000
/** Six doublings: 16 hours. Longer would only punish the owner. */
export const DOUBLINGS_MAX = 6
/**
 * Wrong codes over all devices of a user in a day. Guessing at this rate a three-in-a-million code
 * takes centuries.
 */
export const USER_DAILY_MAX = 100
/**
 * Wrong codes of one device in a day, whatever right ones come between: the owner's own knocks clear
 * a stolen key's locks, and still it must not reach the ceiling that locks the owner's other devices.
 */
const DEVICE_DAILY_MAX = 50
export const DAY_MS = 24 * 3600_000
/** No line ever takes so long to the disk. */
const UNDER_WAY_MS = 60_000

interface Failures {
  /** When the wrong codes came that still count, oldest first. */
  readonly at: readonly number[]
  /** When the last one came. */
  readonly last: number
  readonly lockedUntil: number
  /** Locks since the last right code. */
  readonly locks: number
}

interface Wrong {
  readonly at: number
  readonly device: string
}

const NOTHING_WRONG: readonly Wrong[] = []
const NO_FAILURES: Failures = { at: [], last: 0, lockedUntil: 0, locks: 0 }

/** What a checkpoint holds of it. */
export interface LockoutRecord {
  readonly devices: Readonly<Record<string, Failures>>
  readonly users: Readonly<Record<string, readonly Wrong[]>>
}

/**
 * Counts wrong codes by device, so that whoever steals one key cannot lock out the owner's others,
 * and by user with a higher daily ceiling, so that many devices are not many tries.
 */
export class Lockout {
  readonly #devices = new SteadyMap<Failures>()
  readonly #users = new SteadyMap<readonly Wrong[]>()

  /** When the lock ends, milliseconds since the Unix epoch; 0 = not locked. */
  lockedUntil(device: string, user: string, nowMs: number): number {
    const day = this.#day(user, nowMs)
    const lock = this.#devices.get(device)?.lockedUntil ?? 0
    if (day.length === 0) return lock > nowMs ? lock : 0
    const until = Math.max(
      lock,
      endOfCeiling(day, USER_DAILY_MAX),
      endOfCeiling(
        day.filter(wrong => wrong.device === device),
        DEVICE_DAILY_MAX,
      ),
    )
    return until > nowMs ? until : 0
  }

  /** Who may not try just now, and until when: devices, doors, and users over their ceiling. */
  list(nowMs: number): { readonly id: string; readonly until: number }[] {
    const days = [...this.#users].flatMap(([, wrongs]) => wrongs)
    const ids = [
      ...[...this.#devices, ...this.#users].map(([id]) => id),
      ...days.map(({ device }) => device),
    ]
    return [...new Set(ids)].flatMap(id => {
      const until = this.lockedUntil(id, isDoor(id) ? id : id.split('/')[0]!, nowMs)
      return until > 0 ? [{ id, until }] : []
    })
  }

  wrong(device: string, user: string, nowMs: number): void {
    const before = this.#devices.get(device) ?? NO_FAILURES
    const { locks } = before
    const at = [...before.at.filter(one => one > nowMs - FAILURES_WITHIN_MS), nowMs]
    const lock = LOCK_MS * 2 ** Math.min(locks, DOUBLINGS_MAX)
    this.#devices.set(
      device,
      at.length < FAILURES_MAX
        ? { ...before, at, last: nowMs }
        : { at: [], last: nowMs, lockedUntil: nowMs + lock, locks: locks + 1 },
    )
    this.#users.set(user, [...this.#day(user, nowMs), { at: nowMs, device }].slice(-USER_DAILY_MAX))
  }

  /** A right code clears its device; the day goes on counting. */
  right(device: string): void {
    this.#devices.delete(device)
  }

  /** By the administrator, at that time: forgives the wrong codes until then, at every device and door. */
  unlock(user: string, at: number): void {
    const isTheirs = (id: string) => id === user || id.startsWith(`${user}/`)
    for (const [id, wrongs] of this.#users) {
      const later = wrongs.filter(wrong => !isForgiven(wrong.at, at))
      if (isTheirs(id)) this.#users.set(id, later)
    }
    for (const [id, { last }] of this.#devices) {
      if (isTheirs(id) && isForgiven(last, at)) this.#devices.delete(id)
    }
  }

  record(): Recorded<LockoutRecord> {
    return { devices: membersOf(this.#devices), users: membersOf(this.#users) }
  }

  restore({ devices, users }: LockoutRecord): void {
    for (const [id, failures] of Object.entries(devices)) this.#devices.set(id, failures)
    for (const [id, wrongs] of Object.entries(users)) this.#users.set(id, wrongs)
  }

  #day(user: string, nowMs: number): readonly Wrong[] {
    return this.#users.get(user)?.filter(({ at }) => at > nowMs - DAY_MS) ?? NOTHING_WRONG
  }
}

/**
 * Whether a wrong code came before the lock was lifted. What came behind that may be in a checkpoint
 * already when this is read back, but only by what was under way to the disk: what lies further ahead
 * was written down by a clock that has been set back since.
 */
const isForgiven = (wrongAt: number, liftedAt: number): boolean =>
  wrongAt <= liftedAt || wrongAt > liftedAt + UNDER_WAY_MS

/** When so many in a day are one too few again; 0 if they are already. */
const endOfCeiling = (day: readonly Wrong[], most: number): number =>
  day.length < most ? 0 : day.at(-most)!.at + DAY_MS
