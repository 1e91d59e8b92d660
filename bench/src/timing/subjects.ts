import { randomBytes } from 'node:crypto'
import { matchTotp, PACKET_BYTES, TAG_BYTES, totpCode, totpStep } from '@oneknock/shared'
import type { User } from '../../../server/src/core/directory.ts'
import { Burnt, checkFactor } from '../../../server/src/core/factors.ts'
import { MacStates } from '../../../server/src/core/macs.ts'
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
  /** An input of the class, made before the clock runs; `run` is what is timed. */
  prepare(cls: 0 | 1): void
  run(): unknown
  /** It does leak: a test that does not find that proves nothing. */
  readonly planted?: true
}

const random = (bytes: number): Uint8Array => new Uint8Array(randomBytes(bytes))
const SIGNED_BYTES = PACKET_BYTES - TAG_BYTES

export const subjects = (): Subject[] => [...tags(), ...codes(), ...recoveryCodes()]

const scratch = Buffer.alloc(64)

/** The same text at a new place: where a string happens to lie shows in its time, and is no secret. */
const fresh = (text: string): string => scratch.toString('latin1', 0, scratch.write(text))

/** A tag that is wrong in its first byte or in its last. */
function tags(): Subject[] {
  const [native, macs] = [new NativeMacs(), new MacStates()]
  const key = random(32)
  for (const each of [native, macs]) each.set(0, key)
  const packet = random(PACKET_BYTES)
  const sign = () => macs.sign(0, packet, SIGNED_BYTES)
  const right = new Uint8Array(TAG_BYTES)
  const view = new DataView(right.buffer)
  sign().forEach((word, i) => {
    view.setInt32(4 * i, word)
  })
  const wrong = [0, TAG_BYTES - 1].map(at => {
    const variant = Uint8Array.from(packet)
    variant.set(right, SIGNED_BYTES)
    variant[SIGNED_BYTES + at] = variant[SIGNED_BYTES + at]! ^ 1
    return variant
  })
  // Whole: to change the one byte in its place would show in the time of what reads it next.
  const prepare = (cls: 0 | 1) => packet.set(wrong[cls]!)
  const classes = ['wrong in its first byte', 'in its last'] as const
  return [
    { what: "a packet's tag", classes, prepare, run: () => native.verifiesTag(0, packet) },
    { what: 'the same, by noble', classes, prepare, run: () => macs.verifiesTag(0, packet) },
    {
      what: 'the same, compared with an early exit',
      classes,
      prepare,
      run: () => comparesEarly(sign(), packet),
      planted: true,
    },
  ]
}

/** How it must not be done. */
function comparesEarly(words: Int32Array, packet: Uint8Array): boolean {
  for (let i = 0; i < TAG_BYTES; i++) {
    const byte = (words[i >> 2]! >>> (24 - 8 * (i & 3))) & 0xff
    if (byte !== packet[SIGNED_BYTES + i]) return false
  }
  return true
}

/** A one-time code of the step before, of now, of the next, or of none of them. */
function codes(): Subject[] {
  const secret = random(20)
  const now = Date.now()
  const codeAt = (step: number) => totpCode(secret, totpStep(now) + step)
  const window = [-1, 0, 1].map(codeAt)
  const wrong = ['000000', '000001', '000002', '000003'].find(code => !window.includes(code))!
  let given = ''
  return [-1, 0, 1].map(step => ({
    what: 'a one-time code',
    classes: [step === 0 ? "now's" : `of step ${step > 0 ? '+' : '−'}1`, 'of none'] as const,
    prepare(cls: 0 | 1) {
      given = fresh(cls === 0 ? window[step + 1]! : wrong)
    },
    run: () => matchTotp(secret, given, now),
  }))
}

/** A recovery code that is the first on the list, the last, or none. */
function recoveryCodes(): Subject[] {
  const texts = Array.from({ length: RECOVERY_CODES + 1 }, () => newRecoveryCode(random))
  const wrong = texts.pop()!
  const recovery = texts.map((text, i) => {
    const salt = random(RECOVERY_SALT_BYTES)
    return { id: `${i}`, salt, hash: hashRecoveryCode(salt, text) }
  })
  const user: User = { ...makeUsers({ users: 1 })[0]!, recovery }
  const burnt = new Burnt()
  const now = Date.now()
  let given = ''
  const subject = (first: readonly [string, string], second: readonly [string, string]) => ({
    what: 'a recovery code',
    classes: [first[0], second[0]] as const,
    prepare(cls: 0 | 1) {
      given = fresh((cls === 0 ? first : second)[1])
    },
    run: () => checkFactor(user, { kind: 'recovery', code: given }, now, burnt),
  })
  const [head, tail] = [texts[0]!, texts.at(-1)!]
  return [
    subject(['the first', head], ['the last', tail]),
    subject(['the first', head], ['none', wrong]),
    subject(['none', wrong], ['none again, as a control', wrong]),
  ]
}
