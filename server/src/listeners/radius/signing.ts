import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import {
  ATTRIBUTE,
  type Attribute,
  AUTHENTICATOR_BYTES,
  allOf,
  encodePacket,
  HEADER_BYTES,
  type RadiusPacket,
} from './packet.ts'

/*
 * What makes a packet its sender's: the Response Authenticator (RFC 2865 section 3), and the
 * Message-Authenticator (RFC 3579 section 3.2). MD5 collisions forge the former (CVE-2024-3596,
 * "BlastRADIUS") where the latter is not demanded; HMAC-MD5 they do not touch.
 */

export type Signature = 'valid' | 'invalid' | 'absent'

const ZEROS = new Uint8Array(AUTHENTICATOR_BYTES)
const NO_SIGNATURE: Attribute = { type: ATTRIBUTE.messageAuthenticator, value: ZEROS }

/** Whether the packet bears one Message-Authenticator, and a right one. */
export const checkRequest = (packet: RadiusPacket, secret: Uint8Array): Signature =>
  checkSignature(packet, packet.authenticator, secret)

/** The same for an answer, which is signed with the authenticator of what it answers. */
export function checkSignature(
  packet: RadiusPacket,
  authenticator: Uint8Array,
  secret: Uint8Array,
): Signature {
  const [signature, another] = allOf(packet, ATTRIBUTE.messageAuthenticator)
  if (!signature) return 'absent'
  if (another || signature.value.length !== AUTHENTICATOR_BYTES) return 'invalid'
  const unsigned = encodePacket({
    ...packet,
    authenticator,
    attributes: packet.attributes.map(one => (one === signature ? NO_SIGNATURE : one)),
  })
  if (!unsigned) return 'invalid'
  return timingSafeEqual(hmacMd5(secret, unsigned), signature.value) ? 'valid' : 'invalid'
}

/** Whether an answer's Response Authenticator is right. */
export function answersRequest(
  answer: RadiusPacket,
  requestAuthenticator: Uint8Array,
  secret: Uint8Array,
): boolean {
  const encoded = encodePacket({ ...answer, authenticator: requestAuthenticator })
  return encoded !== undefined && timingSafeEqual(md5(encoded, secret), answer.authenticator)
}

const AUTHENTICATOR_AT = HEADER_BYTES - AUTHENTICATOR_BYTES
/** Of a value in the first attribute. */
const FIRST_VALUE_AT = HEADER_BYTES + 2

/**
 * The bytes of a request with a Message-Authenticator as its first attribute: whatever an attacker
 * can put into the rest stands behind it. `undefined` if it does not fit into a packet.
 */
export function signRequest(request: RadiusPacket, secret: Uint8Array): Uint8Array | undefined {
  const bytes = encodePacket({ ...request, attributes: [NO_SIGNATURE, ...request.attributes] })
  bytes?.set(hmacMd5(secret, bytes), FIRST_VALUE_AT)
  return bytes
}

/** The same for the answer to a request. */
export function signAnswer(
  answer: Omit<RadiusPacket, 'authenticator'>,
  requestAuthenticator: Uint8Array,
  secret: Uint8Array,
): Uint8Array | undefined {
  const bytes = signRequest({ ...answer, authenticator: requestAuthenticator }, secret)
  bytes?.set(md5(bytes, secret), AUTHENTICATOR_AT)
  return bytes
}

const hmacMd5 = (secret: Uint8Array, bytes: Uint8Array): Uint8Array =>
  createHmac('md5', secret).update(bytes).digest()

export const md5 = (...pieces: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('md5')
  for (const piece of pieces) hash.update(piece)
  return hash.digest()
}
