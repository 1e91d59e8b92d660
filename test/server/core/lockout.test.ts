import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  DAY_MS,
  DOUBLINGS_MAX,
  FAILURES_MAX,
  FAILURES_WITHIN_MS,
  LOCK_MS,
  Lockout,
  USER_DAILY_MAX,
} from '../../../server/src/core/lockout.ts'
import { asRead, NOON } from '../kit.ts'

const STOLEN = 'alice/laptop'
const OTHER = 'alice/phone'

/** As the judge does it: whoever is locked is not heard. */
function guess(lockout: Lockout, device: string, now: number): boolean {
  if (lockout.lockedUntil(device, 'alice', now) > 0) return false
  lockout.wrong(device, 'alice', now)
  return true
}

/** Guesses until locked; when that ends. */
function lock(lockout: Lockout, device: string, now: number): number {
  while (guess(lockout, device, now));
  return lockout.lockedUntil(device, 'alice', now)
}

const copyOf = (lockout: Lockout): Lockout => {
  const copy = new Lockout()
  copy.restore(asRead(lockout.record()))
  return copy
}

describe('wrong codes', () => {
  it('lock their device, for a while, and no other', () => {
    const lockout = new Lockout()
    for (let i = 1; i < FAILURES_MAX; i++) lockout.wrong(STOLEN, 'alice', NOON + i)
    expect(lockout.lockedUntil(STOLEN, 'alice', NOON + 10)).toBe(0)
    lockout.wrong(STOLEN, 'alice', NOON + 10)
    expect(lockout.lockedUntil(STOLEN, 'alice', NOON + 10)).toBe(NOON + 10 + LOCK_MS)
    expect(lockout.lockedUntil(OTHER, 'alice', NOON + 10)).toBe(0)
    expect(lockout.lockedUntil(STOLEN, 'alice', NOON + 10 + LOCK_MS)).toBe(0)
  })

  it('do not, if they come slowly enough', () => {
    const lockout = new Lockout()
    for (let i = 0; i < 20; i++) {
      const at = NOON + (i * FAILURES_WITHIN_MS) / (FAILURES_MAX - 1)
      expect(guess(lockout, STOLEN, at)).toBe(true)
    }
  })

  it('lock for twice as long each time, up to a bound, until a right code', () => {
    const lockout = new Lockout()
    let now = NOON
    for (let locks = 0; locks <= DOUBLINGS_MAX + 1; locks++) {
      const until = lock(lockout, STOLEN, now)
      expect(until - now).toBe(LOCK_MS * 2 ** Math.min(locks, DOUBLINGS_MAX))
      now = until
    }
    lockout.right(STOLEN)
    expect(lock(lockout, STOLEN, now + DAY_MS)).toBe(now + DAY_MS + LOCK_MS)
  })

  it('of many devices reach a ceiling for the user, which ends by itself', () => {
    const lockout = new Lockout()
    let guesses = 0
    for (let device = 0; guesses < USER_DAILY_MAX; device++) {
      while (guess(lockout, `alice/${device}`, NOON + guesses)) guesses++
    }
    expect(guesses).toBe(USER_DAILY_MAX)
    expect(lockout.lockedUntil('alice/new', 'alice', NOON + guesses)).toBe(NOON + DAY_MS)
    expect(lockout.lockedUntil('bob/laptop', 'bob', NOON + guesses)).toBe(0)
    expect(guess(lockout, 'alice/new', NOON + DAY_MS)).toBe(true)
    expect(guess(lockout, 'alice/new', NOON + DAY_MS)).toBe(false)
  })

  it('from a stolen key never lock the other devices, though the owner clears its locks all day', () => {
    const lockout = new Lockout()
    let guesses = 0
    for (let now = NOON; now < NOON + DAY_MS; now += 60_000) {
      for (let i = 1; i < FAILURES_MAX; i++) if (guess(lockout, STOLEN, now)) guesses++
      if (lockout.lockedUntil(STOLEN, 'alice', now) === 0) lockout.right(STOLEN)
      expect(lockout.lockedUntil(OTHER, 'alice', now)).toBe(0)
    }
    expect(guesses).toBeLessThan(USER_DAILY_MAX)
  })

  it('are forgiven by the administrator', () => {
    const lockout = new Lockout()
    lock(lockout, STOLEN, NOON)
    for (let i = 0; i < FAILURES_MAX; i++) lockout.wrong('alicia/laptop', 'alicia', NOON)
    lockout.unlock('alice', NOON + FAILURES_MAX)
    expect(lockout.lockedUntil(STOLEN, 'alice', NOON)).toBe(0)
    expect(lockout.lockedUntil('alicia/laptop', 'alicia', NOON)).toBe(NOON + LOCK_MS)
  })

  it('read back behind a checkpoint that holds what came after it, it forgives no more than it did', () => {
    const lockout = new Lockout()
    lock(lockout, STOLEN, NOON)
    lockout.unlock('alice', NOON - 1)
    expect(lockout.lockedUntil(STOLEN, 'alice', NOON)).toBeGreaterThan(NOON)
  })

  it('forgives what a clock that was ahead has written down', () => {
    const lockout = new Lockout()
    lock(lockout, STOLEN, NOON + DAY_MS)
    lockout.unlock('alice', NOON)
    expect(lockout.lockedUntil(STOLEN, 'alice', NOON)).toBe(0)
  })
})

const act = fc.record({
  what: fc.constantFrom('wrong', 'wrong', 'wrong', 'right', 'unlock', 'restart'),
  device: fc.constantFrom(STOLEN, OTHER),
  after: fc.oneof(fc.constant(0), fc.integer({ min: -DAY_MS / 24, max: DAY_MS / 12 })),
})

describe('whatever happens, and with the clock stepping either way', () => {
  it('a lock ends within 16 hours or a day, is the same after a restart, and only wrong codes make one', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), acts => {
        let lockout = new Lockout()
        let now = NOON
        let latest = now
        const wrongs = { [STOLEN]: 0, [OTHER]: 0 }
        for (const { what, device, after } of acts) {
          now += after
          latest = Math.max(latest, now)
          if (what === 'restart') lockout = copyOf(lockout)
          if (what === 'unlock') lockout.unlock('alice', now)
          if (what === 'wrong' && guess(lockout, device, now)) wrongs[device]!++
          if (what === 'right') lockout.right(device)
          for (const [its, count] of Object.entries(wrongs)) {
            const until = lockout.lockedUntil(its, 'alice', now)
            if (count < FAILURES_MAX) expect(until).toBe(0)
            expect(until).toBeLessThanOrEqual(latest + DAY_MS)
            expect(copyOf(lockout).lockedUntil(its, 'alice', now)).toBe(until)
          }
        }
      }),
    )
  })
})
