/** Wrong codes that a device may send within `FAILURES_WITHIN_MS` before it is locked. */
export const FAILURES_MAX = 5
export const FAILURES_WITHIN_MS = 10 * 60_000
/** The first lock; each further one, until a right code, lasts twice as long. */
export const LOCK_MS = 15 * 60_000
/** Six doublings: 16 hours. Longer would only punish the owner. */
export const DOUBLINGS_MAX = 6
/**
 * Wrong codes over all devices of a user in a day. Guessing at this rate a three-in-a-million code
 * takes centuries; and with the devices' own locks one stolen key cannot reach it alone.
 */
export const USER_DAILY_MAX = 100
export const DAY_MS = 24 * 3600_000

interface Failures {
  /** When the wrong codes came that still count, oldest first. */
  at: number[]
  lockedUntil: number
  /** Locks since the last right code. */
  locks: number
}

/** What a checkpoint holds of it. */
export interface LockoutRecord {
  readonly devices: Readonly<Record<string, Failures>>
  readonly users: Readonly<Record<string, readonly number[]>>
}

/**
 * Counts wrong codes by device, so that whoever steals one key cannot lock out the owner's others,
 * and by user with a higher daily ceiling, so that many devices are not many tries.
 */
export class Lockout {
  readonly #devices = new Map<string, Failures>()
  readonly #users = new Map<string, number[]>()

  isLocked(device: string, user: string, nowMs: number): boolean {
    return this.lockedUntil(device, user, nowMs) > nowMs
  }

  /** When the lock ends, milliseconds since the Unix epoch; 0 = not locked. */
  lockedUntil(device: string, user: string, nowMs: number): number {
    const day = since(this.#users.get(user) ?? [], nowMs - DAY_MS)
    const untilDay = day.length >= USER_DAILY_MAX ? day[0]! + DAY_MS : 0
    const until = Math.max(this.#devices.get(device)?.lockedUntil ?? 0, untilDay)
    return until > nowMs ? until : 0
  }

  wrong(device: string, user: string, nowMs: number): void {
    const failures = this.#devices.get(device) ?? { at: [], lockedUntil: 0, locks: 0 }
    failures.at = [...since(failures.at, nowMs - FAILURES_WITHIN_MS), nowMs]
    if (failures.at.length >= FAILURES_MAX) {
      failures.lockedUntil = nowMs + LOCK_MS * 2 ** Math.min(failures.locks, DOUBLINGS_MAX)
      failures.locks++
      failures.at = []
    }
    this.#devices.set(device, failures)
    const day = [...since(this.#users.get(user) ?? [], nowMs - DAY_MS), nowMs]
    this.#users.set(user, day.slice(-USER_DAILY_MAX))
  }

  /** A right code clears its device; the user's day goes on counting. */
  right(device: string): void {
    this.#devices.delete(device)
  }

  /** By the administrator. */
  unlock(user: string): void {
    this.#users.delete(user)
    for (const device of this.#devices.keys()) {
      if (device.startsWith(`${user}/`)) this.#devices.delete(device)
    }
  }

  record(): LockoutRecord {
    return {
      devices: Object.fromEntries(this.#devices),
      users: Object.fromEntries(this.#users),
    }
  }

  restore({ devices, users }: LockoutRecord): void {
    for (const [id, failures] of Object.entries(devices)) this.#devices.set(id, { ...failures })
    for (const [id, at] of Object.entries(users)) this.#users.set(id, [...at])
  }
}

const since = (times: readonly number[], from: number): number[] => times.filter(at => at > from)
