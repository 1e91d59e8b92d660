import { xchacha20 } from '@noble/ciphers/chacha.js'
import { type Address, addressBytes, isMapped, isPrefix, readAddress } from './address.ts'
import {
  fromHex,
  isPrintableAscii,
  isZero,
  readAscii,
  readU32,
  readU64,
  toHex,
  writeAscii,
  writeU32,
  writeU64,
} from './bytes.ts'
import {
  FACTOR_KINDS,
  FACTOR_MAX,
  type FactorKind,
  HINT_BYTES,
  KNOCK_BODY_BYTES,
  KNOCK_ID_BYTES,
  NONCE_BYTES,
  PACKET_BYTES,
  SERVICES_MAX,
  TAG_BYTES,
  VERBS,
  VERSION,
  type Verb,
} from './constants.ts'
import { macUnder } from './hmac.ts'
import { type DerivedKeys, epochOf, hintAt } from './keys.ts'
import { fail, ok, type Result } from './result.ts'

/** What a packet asks. The layout is in SPEC.md; this is the same, field for field. */
export interface Knock {
  readonly verb: Verb
  readonly factor: Factor
  /** Seconds asked for; 0 = the service's default. */
  readonly lifetime: number
  /** Milliseconds since the Unix epoch. */
  readonly sentAt: number
  /** 16 hexadecimal digits, the same in every packet of one knock. */
  readonly knockId: string
  /** The address to admit; `ANY` or `ANY_IPV4` = the datagram's source. */
  readonly address: Address
  /** On the 16-byte address: 128 = just this one. */
  readonly prefix: number
  /** Empty = all that the user may open by default. */
  readonly services: readonly string[]
}

export interface Factor {
  readonly kind: FactorKind
  /** Printable ASCII, 48 characters at most; empty if the kind is `none`. */
  readonly code: string
}

export const NO_FACTOR: Factor = { kind: 'none', code: '' }

/** Which field of a body breaks the grammar. */
export type MalformedField =
  | 'length'
  | 'version'
  | 'verb'
  | 'factor-kind'
  | 'factor-length'
  | 'factor'
  | 'sent-at'
  | 'prefix'
  | 'services-length'
  | 'services'
  | 'status'
  | 'reason'
  | 'server-clock'
  | 'detail-length'
  | 'detail'
  | 'padding'
  | 'lifetime'
  | 'knock-id'
  | 'grant'

export interface Malformed {
  readonly code: 'malformed'
  readonly field: MalformedField
}

/** Offsets in the datagram. */
export const AT = {
  hint: 0,
  nonce: HINT_BYTES,
  body: HINT_BYTES + NONCE_BYTES,
  tag: PACKET_BYTES - TAG_BYTES,
} as const

/** Offsets in the body. */
const BODY = {
  version: 0,
  verb: 1,
  factorKind: 2,
  factorLength: 3,
  lifetime: 4,
  sentAt: 8,
  knockId: 16,
  address: 24,
  prefix: 40,
  factor: 41,
  servicesLength: 89,
  services: 90,
} as const

const SERVICE = /^[a-z0-9-]+$/
const U32_MAX = 2 ** 32 - 1

const malformed = (field: MalformedField) => fail<Malformed>({ code: 'malformed', field })

/** Strict: whatever this accepts, `encodeKnock` turns back into the very same bytes. */
export function parseKnock(body: Uint8Array): Result<Knock, Malformed> {
  if (body.length !== KNOCK_BODY_BYTES) return malformed('length')
  if (body[BODY.version] !== VERSION) return malformed('version')
  const verb = VERBS[body[BODY.verb]! - 1]
  if (!verb) return malformed('verb')

  const kind = FACTOR_KINDS[body[BODY.factorKind]!]
  if (!kind) return malformed('factor-kind')
  const codeLength = body[BODY.factorLength]!
  if (codeLength > FACTOR_MAX || (kind === 'none' && codeLength > 0)) {
    return malformed('factor-length')
  }
  const code = readAscii(body, BODY.factor, codeLength)
  if (code === undefined) return malformed('factor')
  if (!isZero(body, BODY.factor + codeLength, BODY.servicesLength)) return malformed('padding')

  const sentAt = readU64(body, BODY.sentAt)
  if (sentAt > Number.MAX_SAFE_INTEGER) return malformed('sent-at')
  const prefix = body[BODY.prefix]!
  if (!isPrefix(prefix, isMapped(body, BODY.address))) return malformed('prefix')

  const servicesLength = body[BODY.servicesLength]!
  if (servicesLength > SERVICES_MAX) return malformed('services-length')
  const names = readAscii(body, BODY.services, servicesLength)
  if (names === undefined) return malformed('services')
  const services = names === '' ? [] : names.split(' ')
  if (!services.every(name => SERVICE.test(name))) return malformed('services')
  if (!isZero(body, BODY.services + servicesLength, KNOCK_BODY_BYTES)) return malformed('padding')

  return ok({
    verb,
    factor: { kind, code },
    lifetime: readU32(body, BODY.lifetime),
    sentAt,
    knockId: toHex(body, BODY.knockId, BODY.knockId + KNOCK_ID_BYTES),
    address: readAddress(body, BODY.address),
    prefix,
    services,
  })
}

/** The body's 192 bytes, or which field of the value no body can hold. */
export function encodeKnock(knock: Knock): Result<Uint8Array, Malformed> {
  const { factor, lifetime, sentAt, prefix } = knock
  const kind = FACTOR_KINDS.indexOf(factor.kind)
  if (factor.code.length > FACTOR_MAX || (kind === 0 && factor.code !== '')) {
    return malformed('factor-length')
  }
  if (!isPrintableAscii(factor.code)) return malformed('factor')
  if (!Number.isInteger(lifetime) || lifetime < 0 || lifetime > U32_MAX)
    return malformed('lifetime')
  if (!Number.isSafeInteger(sentAt) || sentAt < 0) return malformed('sent-at')
  const knockId = fromHex(knock.knockId)
  if (knockId?.length !== KNOCK_ID_BYTES) return malformed('knock-id')
  const address = addressBytes(knock.address)
  if (!isPrefix(prefix, isMapped(address, 0))) return malformed('prefix')
  const names = knock.services.join(' ')
  if (names.length > SERVICES_MAX) return malformed('services-length')
  if (!knock.services.every(name => SERVICE.test(name))) return malformed('services')

  const body = new Uint8Array(KNOCK_BODY_BYTES)
  body[BODY.version] = VERSION
  body[BODY.verb] = VERBS.indexOf(knock.verb) + 1
  body[BODY.factorKind] = kind
  body[BODY.factorLength] = factor.code.length
  writeU32(body, BODY.lifetime, lifetime)
  writeU64(body, BODY.sentAt, sentAt)
  body.set(knockId, BODY.knockId)
  body.set(address, BODY.address)
  body[BODY.prefix] = prefix
  writeAscii(body, BODY.factor, factor.code)
  body[BODY.servicesLength] = names.length
  writeAscii(body, BODY.services, names)
  return ok(body)
}

/** Encrypt, then MAC. `nonce` is 24 random bytes, never used twice under one key. */
export function sealKnock(
  keys: DerivedKeys,
  nonce: Uint8Array,
  knock: Knock,
): Result<Uint8Array, Malformed> {
  const body = encodeKnock(knock)
  return body.ok ? ok(sealBody(keys, nonce, epochOf(knock.sentAt), body.value)) : body
}

/** Any 192 bytes as a packet: what `sealKnock` ends with, and how vectors of bad bodies are made. */
export function sealBody(
  keys: DerivedKeys,
  nonce: Uint8Array,
  epoch: number,
  body: Uint8Array,
): Uint8Array {
  const datagram = new Uint8Array(PACKET_BYTES)
  datagram.set(hintAt(keys.hint, epoch), AT.hint)
  datagram.set(nonce, AT.nonce)
  datagram.set(xchacha20(keys.knockEncrypt, nonce, body), AT.body)
  datagram.set(macUnder(keys.knockAuthenticate, datagram, AT.tag), AT.tag)
  return datagram
}

/** The body of a packet whose tag has been verified. */
export const decryptKnock = (knockEncrypt: Uint8Array, datagram: Uint8Array): Uint8Array =>
  xchacha20(knockEncrypt, datagram.subarray(AT.nonce, AT.body), datagram.subarray(AT.body, AT.tag))

export const tagOf = (datagram: Uint8Array): Uint8Array => datagram.subarray(AT.tag, PACKET_BYTES)
