import { ATTRIBUTE, type Attribute, allOf, type RadiusPacket } from './packet.ts'
import { hidePassword } from './passwords.ts'
import type { RadiusRequest } from './request.ts'
import type { Question } from './upstream.ts'

/** What a proxy says in its own words, or what only one hop can read. */
const NOT_ASKED_ON: ReadonlySet<number> = new Set([
  ATTRIBUTE.userPassword,
  ATTRIBUTE.chapChallenge,
  ATTRIBUTE.messageAuthenticator,
])

/**
 * The same question for a server that knows the passwords, with this password in the place of what
 * was typed. Proxy-State goes along, in its order (RFC 2865 section 5.33). `undefined` if the
 * password is too long to be one.
 */
export function questionFor(
  { packet, chap }: RadiusRequest,
  password: Uint8Array | undefined,
  secret: Uint8Array,
): Question | undefined {
  const kept = packet.attributes.filter(({ type }) => !NOT_ASKED_ON.has(type))
  if (chap) {
    const challenge = { type: ATTRIBUTE.chapChallenge, value: chap.challenge }
    return () => [...kept, challenge]
  }
  if (!password || !hidePassword(password, NO_AUTHENTICATOR, secret)) return undefined
  return authenticator => {
    const value = hidePassword(password, authenticator, secret)!
    return [{ type: ATTRIBUTE.userPassword, value }, ...kept]
  }
}

const NO_AUTHENTICATOR = new Uint8Array(16)

/**
 * What an upstream Accept says to the client: everything but what is hidden under the upstream
 * secret (RFC 2868 section 3.5, RFC 2548 section 2.4), belongs to another conversation, or is said
 * anew for this hop.
 */
export const passedOn = ({ attributes }: RadiusPacket): readonly Attribute[] =>
  attributes.filter(({ type, value }) => !NOT_PASSED_ON.has(type) && !isMicrosoft(type, value))

const NOT_PASSED_ON: ReadonlySet<number> = new Set([
  ATTRIBUTE.messageAuthenticator,
  ATTRIBUTE.proxyState,
  ATTRIBUTE.state,
  ATTRIBUTE.eapMessage,
  ATTRIBUTE.tunnelPassword,
])

/** RFC 2548: keys among them, hidden for one hop. */
const MICROSOFT = 311

function isMicrosoft(type: number, value: Uint8Array): boolean {
  if (type !== ATTRIBUTE.vendorSpecific || value.length < 4) return false
  return Buffer.from(value).readUInt32BE(0) === MICROSOFT
}

/** RFC 2865 section 5.33: every one comes back, unaltered and in order. */
export const proxyStates = (packet: RadiusPacket): readonly Attribute[] =>
  allOf(packet, ATTRIBUTE.proxyState)
