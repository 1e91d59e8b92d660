import { type Factor, isName, NAME_MAX, parseFactor, SERVICES_MAX } from '@oneknock/shared'

/** Who says to be there, and by what code. */
export interface Claim {
  /** Empty: whoever owns the token that the code names. */
  readonly user: string
  readonly factor: Factor
  /** Empty: all that there is. */
  readonly services: readonly string[]
}

/** The sixteen letters that a YubiKey types: 12 that name it, and one AES block. */
const LETTERS = '[cbdefghijklnrtuv]'
const OTP_CHARS = 44
/** A whole run of such letters: from its beginning alone, so that junk of them costs no more than other junk. */
const OTP_IN_TEXT = new RegExp(`(?<!${LETTERS})${LETTERS}{${OTP_CHARS},}`)
/** Six digits, or a recovery code: seven groups of four letters of base32, with the dashes or without. */
const CODE = '\\d{6}|(?:[a-zA-Z2-7]{4}-?){6}[a-zA-Z2-7]{4}'
const NAMED_IN_TEXT = new RegExp(`(?<![a-z0-9-])([a-z0-9-]{1,${NAME_MAX}}):(${CODE})(?![\\w-])`)

/** What somebody filled in; `undefined` if that is nobody's name, no code, or more than a packet could ask for. */
export function readClaim(
  user: string,
  code: string,
  services: readonly string[],
): Claim | undefined {
  // With caps lock on, a token types capitals; no other code has any that matter.
  const factor = parseFactor(code.toLowerCase())
  const name = user.trim().toLowerCase()
  if (!factor.ok || (name === '' && factor.value.kind !== 'yubikey')) return undefined
  if ((name !== '' && !isName(name)) || !services.every(isName)) return undefined
  // As in a packet. A refusal has them all on record, and it takes no right code to be refused.
  if (services.join(' ').length > SERVICES_MAX) return undefined
  return { user: name, factor: factor.value, services }
}

/** `USER:CODE`, or an OTP by itself. */
export function readNamedCode(text: string, services: readonly string[]): Claim | undefined {
  const colon = text.indexOf(':')
  return colon < 0
    ? readClaim('', text, services)
    : readClaim(text.slice(0, colon), text.slice(colon + 1), services)
}

/** A code somewhere in what was typed blind, and the services that stand on its line behind it. */
export function findClaim(text: string): Claim | undefined {
  const named = NAMED_IN_TEXT.exec(text)
  const found = named ?? OTP_IN_TEXT.exec(text.toLowerCase())
  if (!found) return undefined
  // Whatever was typed before a touch, the token's own letters are the last.
  const code = named ? named[0] : found[0].slice(-OTP_CHARS)
  const rest = text.slice(found.index + found[0].length).split(/[\r\n]/, 1)[0]!
  const services = rest.split(/[\s,]+/).filter(isName)
  return readNamedCode(code, services)
}
