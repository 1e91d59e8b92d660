import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Burnt, checkFactor } from '../../../server/src/core/factors.ts'
import { hashRecoveryCode, newRecoveryCode } from '../../../server/src/core/recovery.ts'
import {
  type Factor,
  TOTP_STEP_MS,
  TOTP_WINDOW,
  totpCode,
  totpStep,
} from '../../../shared/src/index.ts'
import { asRead, NOON, SECRET, user } from '../kit.ts'

const code = (step: number): Factor => ({ kind: 'totp', code: totpCode(SECRET, step) })
const NOW = totpStep(NOON)

const random = (seed: number) => (bytes: number) =>
  Uint8Array.from({ length: bytes }, (_, i) => (seed * 97 + i * 31 + seed * i) & 0xff)
const CODES = Array.from({ length: 10 }, (_, i) => newRecoveryCode(random(i)))
const recovery = CODES.map((text, i) => {
  const salt = new Uint8Array(16).fill(i)
  return { id: `r${i}`, salt, hash: hashRecoveryCode(salt, text) }
})

const alice = user('alice', 1, { recovery })
/** Somebody else with the same secret in their file: what is burnt is burnt for the secret. */
const twin = user('twin', 2, { totp: alice.totp })
const bob = user('bob', 3, { totp: { id: 'bobs', secret: new Uint8Array(20).fill(5) } })

/** As whoever is heard is treated: a right code is burnt, whatever comes after. */
function use(burnt: Burnt, factor: Factor, now = NOON, who = alice): string {
  const verdict = checkFactor(who, factor, now, burnt)
  if (verdict.kind === 'right') burnt.add(verdict.burn)
  return verdict.kind
}

const copyOf = (burnt: Burnt): Burnt => {
  const copy = new Burnt()
  copy.restore(asRead(burnt.record()))
  return copy
}

describe('a code of the authenticator', () => {
  it.each([
    [-TOTP_WINDOW - 1, 'wrong'],
    [-TOTP_WINDOW, 'right'],
    [0, 'right'],
    [TOTP_WINDOW, 'right'],
    [TOTP_WINDOW + 1, 'wrong'],
  ])('%i steps away is %s', (steps, expected) => {
    expect(use(new Burnt(), code(NOW + steps))).toBe(expected)
  })

  it('is right once, and burns the steps before it', () => {
    const burnt = new Burnt()
    expect(use(burnt, code(NOW))).toBe('right')
    expect(use(burnt, code(NOW))).toBe('used')
    expect(use(burnt, code(NOW - 1))).toBe('used')
    expect(use(burnt, code(NOW + 1))).toBe('right')
    expect(use(burnt, code(NOW))).toBe('used')
  })

  it('is burnt for its secret, whoever has it, and for no other', () => {
    const burnt = new Burnt()
    expect(use(burnt, code(NOW))).toBe('right')
    expect(use(burnt, code(NOW), NOON, twin)).toBe('used')
    const bobs = { kind: 'totp', code: totpCode(bob.totp!.secret, NOW) } as const
    expect(use(burnt, bobs, NOON, bob)).toBe('right')
  })

  it('is wrong for whoever has no authenticator, and burns nothing by being looked at', () => {
    const burnt = new Burnt()
    expect(use(burnt, code(NOW), NOON, user('eve', 4, { totp: undefined }))).toBe('wrong')
    checkFactor(alice, code(NOW), NOON, burnt)
    expect(use(burnt, code(NOW))).toBe('right')
  })

  it('opens once for each step, in whatever order codes come, however the clock steps, over restarts', () => {
    const act = fc.record({
      pass: fc.oneof(fc.nat(90_000), fc.integer({ min: -3600_000, max: 3600_000 })),
      step: fc.integer({ min: -3, max: 3 }),
      who: fc.constantFrom(alice, twin),
      restart: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), acts => {
        let burnt = new Burnt()
        let now = NOON
        let last = -1
        for (const { pass, step, who, restart } of acts) {
          now += pass
          if (restart) burnt = copyOf(burnt)
          const its = totpStep(now) + step
          const verdict = use(burnt, code(its), now, who)
          if (verdict !== 'right') continue
          // Were it accepted again, it would not be greater than the last.
          expect(its).toBeGreaterThan(last)
          expect(Math.abs(its * TOTP_STEP_MS - now)).toBeLessThanOrEqual(2 * TOTP_STEP_MS)
          last = its
        }
      }),
    )
  })
})

describe('a recovery code', () => {
  it('is right once each, however it is written', () => {
    const burnt = new Burnt()
    const written = [CODES[0]!, CODES[1]!.toUpperCase(), CODES[2]!.replaceAll('-', ' ')]
    for (const text of written) {
      expect(use(burnt, { kind: 'recovery', code: text })).toBe('right')
      expect(use(burnt, { kind: 'recovery', code: text })).toBe('used')
    }
    for (const text of CODES.slice(3)) {
      expect(use(burnt, { kind: 'recovery', code: text })).toBe('right')
    }
    const after = copyOf(burnt)
    for (const text of CODES) expect(use(after, { kind: 'recovery', code: text })).toBe('used')
  })

  it.each(['', 'aaaa', CODES[0]!.slice(0, -1), `${CODES[0]}a`])('is not %j', text => {
    expect(use(new Burnt(), { kind: 'recovery', code: text })).toBe('wrong')
  })
})

describe('no code', () => {
  it.each<Factor>([
    { kind: 'none', code: '' },
    { kind: 'totp', code: '' },
    { kind: 'totp', code: CODES[0]! },
    { kind: 'recovery', code: totpCode(SECRET, NOW) },
    { kind: 'yubikey', code: 'cccccccfhcbelrhifnjrrddcgrburluurftrgfdrdifj' },
  ])('is right by its kind alone: %o', factor => {
    expect(use(new Burnt(), factor)).toBe('wrong')
  })
})
