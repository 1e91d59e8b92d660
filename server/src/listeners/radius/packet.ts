import { fail, ok, type Result } from '@oneknock/shared'

/*
 * The packet of RADIUS, RFC 2865 section 3: code 1, identifier 1, length 2, authenticator 16, and
 * attributes of type 1, length 1 and a value.
 */

/** RFC 2865 section 3. */
export const HEADER_BYTES = 20
const PACKET_MAX = 4096
export const AUTHENTICATOR_BYTES = 16
/** RFC 2865 section 5: the length counts its own byte and the type's. */
const ATTRIBUTE_HEADER_BYTES = 2
export const VALUE_MAX = 253
/**
 * Each costs an allocation before its packet is known to be anybody's, and 2,000 that are empty fit into
 * one: a millisecond. FreeRADIUS stops at 200 too.
 */
export const ATTRIBUTES_MAX = 200
export const IDENTIFIERS = 256

const AT = { code: 0, identifier: 1, length: 2, authenticator: 4 } as const

export const CODE = {
  accessRequest: 1,
  accessAccept: 2,
  accessReject: 3,
  accessChallenge: 11,
  /** RFC 5997. */
  statusServer: 12,
} as const

export const ATTRIBUTE = {
  userName: 1,
  userPassword: 2,
  chapPassword: 3,
  framedIpAddress: 8,
  replyMessage: 18,
  state: 24,
  vendorSpecific: 26,
  callingStationId: 31,
  proxyState: 33,
  chapChallenge: 60,
  tunnelPassword: 69,
  eapMessage: 79,
  /** RFC 3579 section 3.2. */
  messageAuthenticator: 80,
  /** RFC 6911 section 3.1. */
  framedIpv6Address: 168,
} as const

export interface Attribute {
  readonly type: number
  readonly value: Uint8Array
}

export interface RadiusPacket {
  readonly code: number
  readonly identifier: number
  readonly authenticator: Uint8Array
  readonly attributes: readonly Attribute[]
}

/** `length`: not as long as it says, or as no packet can be; `attributes`: they do not fill it, or are too many. */
export type Malformed = 'length' | 'attributes'

/** Bytes behind the length that the header says are padding (RFC 2865 section 3). Keeps no view. */
export function decodePacket(datagram: Uint8Array): Result<RadiusPacket, Malformed> {
  if (datagram.length < HEADER_BYTES) return fail('length')
  const length = (datagram[AT.length]! << 8) | datagram[AT.length + 1]!
  if (length < HEADER_BYTES || length > PACKET_MAX || length > datagram.length) {
    return fail('length')
  }
  const attributes: Attribute[] = []
  for (let at = HEADER_BYTES; at < length; ) {
    const size = datagram[at + 1] ?? 0
    if (size < ATTRIBUTE_HEADER_BYTES || at + size > length) return fail('attributes')
    if (attributes.length === ATTRIBUTES_MAX) return fail('attributes')
    const value = Uint8Array.from(datagram.subarray(at + ATTRIBUTE_HEADER_BYTES, at + size))
    attributes.push({ type: datagram[at]!, value })
    at += size
  }
  return ok({
    code: datagram[AT.code]!,
    identifier: datagram[AT.identifier]!,
    authenticator: Uint8Array.from(datagram.subarray(AT.authenticator, HEADER_BYTES)),
    attributes,
  })
}

/** `undefined` if the attributes do not fit into a packet, or a value not into its attribute. */
export function encodePacket(packet: RadiusPacket): Uint8Array | undefined {
  const { code, identifier, authenticator, attributes } = packet
  const length = sizeOf(attributes)
  if (length > PACKET_MAX || attributes.some(({ value }) => value.length > VALUE_MAX)) {
    return undefined
  }
  const bytes = new Uint8Array(length)
  bytes.set([code, identifier, length >> 8, length & 0xff], AT.code)
  bytes.set(authenticator, AT.authenticator)
  let at = HEADER_BYTES
  for (const { type, value } of attributes) {
    bytes.set([type, ATTRIBUTE_HEADER_BYTES + value.length], at)
    bytes.set(value, at + ATTRIBUTE_HEADER_BYTES)
    at += ATTRIBUTE_HEADER_BYTES + value.length
  }
  return bytes
}

const sizeOf = (attributes: readonly Attribute[]): number =>
  attributes.reduce((sum, { value }) => sum + ATTRIBUTE_HEADER_BYTES + value.length, HEADER_BYTES)

export const allOf = ({ attributes }: RadiusPacket, type: number): readonly Attribute[] =>
  attributes.filter(attribute => attribute.type === type)

/** The first value of that type. */
export const firstOf = ({ attributes }: RadiusPacket, type: number): Uint8Array | undefined =>
  attributes.find(attribute => attribute.type === type)?.value

/** The first value of that type as text; `undefined` if there is none, or if it is no UTF-8. */
export function textOf(packet: RadiusPacket, type: number): string | undefined {
  const value = firstOf(packet, type)
  return value && decodeText(value)
}

export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes)
  } catch {
    return undefined
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Texts longer than one attribute are cut where it ends. */
export const textAttribute = (type: number, text: string): Attribute => ({
  type,
  value: new TextEncoder().encode(text).subarray(0, VALUE_MAX),
})
