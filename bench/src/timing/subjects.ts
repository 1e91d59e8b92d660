import { randomBytes, randomInt } from 'node:crypto'
import {
  matchTotp,
  PACKET_BYTES,
  TAG_BYTES,
  TOTP_DIGITS,
  TOTP_SECRET_BYTES,
  totpCode,
  totpStep,
} from '@oneknock/shared'
import type { User } from '../../../server/src/core/directory.ts'
import { Burnt, checkFactor } from '../../../server/src/core/factors.ts'
import { MacStates, type TagMacs } from '../../../server/src/core/macs.ts'
import {
  hashRecoveryCode,
  newRecoveryCode,
  RECOVERY_CODES,
  RECOVERY_SALT_BYTES,
} from '../../../server/src/core/recovery.ts'
import { NativeMacs } from '../../../server/src/native-macs.ts'
import { makeUsers } from '../harness/world.ts'

/** Something that must take as long for inputs of one class as for those of the other. */
export interface Subject {
  readonly what: string
  /** Two classes of inputs: whatever differs between them must not show. */
  readonly classes: readonly [names: string, names: string]
  /** With secrets of its own. */
  make(): Run
  /** It does leak: a test that does not find that proves nothing. */
  readonly planted?: true
}

export interface Run {
  /** An input of the class, made before the clock runs; `random` is a byte that chooses among several. */
  prepare(cls: 0 | 1, random: number): void
  /** What is timed. */
  run(): unknown
}

const random = (bytes: number): Uint8Array => new Uint8Array(randomBytes(bytes))
const SIGNED_BYTES = PACKET_BYTES - TAG_BYTES

export const subjects = (): Subject[] => [...tags(), ...codes(), ...recoveryCodes()]

/**
 * Secrets that take turns at random, each with an input of either class: what one input happens to
 * cost, by its digits or its place in memory, must not pass for what its class costs.
 */
const SECRETS = 64

/** For each secret; `choose` gives that one which the byte says. */
function several<T>(make: (number: number) => T): (random: number) => T {
  const made = Array.from({ length: SECRETS }, (_, number) => make(number))
  return random => made[random % SECRETS]!
}

const scratch = Buffer.alloc(64)

/** The same text at a new place: where a string happens to lie shows in its time, and is no secret. */
const fresh = (text: string): string => scratch.toString('latin1', 0, scratch.write(text))

/** A tag that is wrong in its first byte or in its last. */
function tags(): Subject[] {
  const classes = ['wrong in its first byte', 'in its last'] as const
  const subject = (what: string, check: (macs: MacStates) => Check): Subject => ({
    what,
    classes,
    make() {
      const macs = new MacStates()
      const verifies = check(macs)
      const choose = several(number => wrongTags(macs, verifies, number))
      const packet = new Uint8Array(PACKET_BYTES)
      let device = 0
      return {
        prepare(cls, random) {
          device = random % SECRETS
          // Whole: to change the one byte in its place would show in the time of what reads it next.
          packet.set(choose(random)[cls])
        },
        run: () => verifies.verifiesTag(device, packet),
      }
    },
  })
  return [
    subject("a packet's tag", () => new NativeMacs()),
    subject('the same, by noble', macs => macs),
    { ...subject('the same, compared with an early exit', comparingEarly), planted: true },
  ]
}

type Check = Pick<TagMacs, 'set' | 'verifiesTag'>

/** A packet under a new key, as it is with either byte of its tag changed. */
function wrongTags(
  macs: MacStates,
  check: Check,
  number: number,
): readonly [Uint8Array, Uint8Array] {
  const key = random(32)
  macs.set(number, key)
  check.set(number, key)
  const packet = random(PACKET_BYTES)
  const view = new DataView(packet.buffer, SIGNED_BYTES)
  macs.sign(number, packet, SIGNED_BYTES).forEach((word, i) => {
    view.setInt32(4 * i, word)
  })
  const wrongAt = (at: number) =>
    packet.map((byte, i) => (i === SIGNED_BYTES + at ? byte ^ 1 : byte))
  return [wrongAt(0), wrongAt(TAG_BYTES - 1)]
}

/** How it must not be done. */
const comparingEarly = (macs: MacStates): Check => ({
  set: () => {},
  verifiesTag(number, packet) {
    const words = macs.sign(number, packet, SIGNED_BYTES)
    for (let i = 0; i < TAG_BYTES; i++) {
      const byte = (words[i >> 2]! >>> (24 - 8 * (i & 3))) & 0xff
      if (byte !== packet[SIGNED_BYTES + i]) return false
    }
    return true
  },
})

const CODES = 10 ** TOTP_DIGITS

/** A one-time code of the step before, of now, of the next, or of none of them. */
function codes(): Subject[] {
  return [-1, 0, 1].map(step => ({
    what: 'a one-time code',
    classes: [step === 0 ? "now's" : `of step ${step > 0 ? '+' : '−'}1`, 'of none'] as const,
    make() {
      const now = Date.now()
      const choose = several(() => {
        const secret = random(TOTP_SECRET_BYTES)
        const window = [-1, 0, 1].map(each => totpCode(secret, totpStep(now) + each))
        let wrong: string
        do wrong = `${randomInt(CODES)}`.padStart(TOTP_DIGITS, '0')
        while (window.includes(wrong))
        return { secret, texts: [window[step + 1]!, wrong] as const }
      })
      let given = ''
      let { secret } = choose(0)
      return {
        prepare(cls, random) {
          const chosen = choose(random)
          secret = chosen.secret
          given = fresh(chosen.texts[cls])
        },
        run: () => matchTotp(secret, given, now),
      }
    },
  }))
}

/** A recovery code that is the first on the list, the last, or none. */
function recoveryCodes(): Subject[] {
  const subject = (
    names: readonly [string, string],
    which: readonly [number, number],
  ): Subject => ({
    what: 'a recovery code',
    classes: names,
    make() {
      const burnt = new Burnt()
      const now = Date.now()
      const choose = several(() => {
        const texts = Array.from({ length: RECOVERY_CODES + 1 }, () => newRecoveryCode(random))
        const user = withCodes(texts.slice(0, -1))
        return { user, texts: [texts.at(which[0])!, texts.at(which[1])!] as const }
      })
      let given = ''
      let user = choose(0).user
      return {
        prepare(cls, random) {
          const chosen = choose(random)
          user = chosen.user
          given = fresh(chosen.texts[cls])
        },
        run: () => checkFactor(user, { kind: 'recovery', code: given }, now, burnt),
      }
    },
  })
  const [first, last, none] = [0, -2, -1]
  return [
    subject(['the first', 'the last'], [first, last]),
    subject(['the first', 'none'], [first, none]),
    subject(['none', 'none again, as a control'], [none, none]),
  ]
}

function withCodes(texts: readonly string[]): User {
  const recovery = texts.map((text, i) => {
    const salt = random(RECOVERY_SALT_BYTES)
    return { id: `${i}`, salt, hash: hashRecoveryCode(salt, text) }
  })
  return { ...makeUsers({ users: 1 })[0]!, recovery }
}
