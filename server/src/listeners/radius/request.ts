import { fail, ok, type Result } from '@oneknock/shared'
import {
  ATTRIBUTE,
  allOf,
  CODE,
  decodePacket,
  decodeText,
  firstOf,
  type RadiusPacket,
  textOf,
} from './packet.ts'
import { type Chap, chapOf, revealPassword } from './passwords.ts'
import { checkRequest } from './signing.ts'

/** Why a datagram is not answered. */
export type Dropped =
  /** No packet, or one that says something in two ways. */
  | 'malformed'
  /** Neither an Access-Request nor a Status-Server. */
  | 'unasked'
  /** Without the Message-Authenticator that it should bear. */
  | 'unsigned'
  /** With a wrong one: another secret, or somebody altered it. */
  | 'forged'

/** What a client asks, once it is sure that the client asks it. */
export interface RadiusRequest {
  readonly packet: RadiusPacket
  readonly user: string
  /** Of PAP. */
  readonly password: Uint8Array | undefined
  readonly chap: Chap | undefined
}

export interface Trust {
  readonly secret: Uint8Array
  readonly messageAuthenticator: 'required' | 'optional'
}

/** From bytes to a request. Nothing is answered, kept or written before all of this has passed. */
export function readRequest(datagram: Uint8Array, trust: Trust): Result<RadiusRequest, Dropped> {
  const decoded = decodePacket(datagram)
  if (!decoded.ok) return fail('malformed')
  const packet = decoded.value
  const { code, authenticator } = packet
  if (code !== CODE.accessRequest && code !== CODE.statusServer) return fail('unasked')
  const signature = checkRequest(packet, trust.secret)
  if (signature === 'invalid') return fail('forged')
  if (signature === 'absent' && mustBeSigned(packet, trust)) return fail('unsigned')
  if (isAmbiguous(packet)) return fail('malformed')

  const hidden = firstOf(packet, ATTRIBUTE.userPassword)
  const password = hidden && revealPassword(hidden, authenticator, trust.secret)
  // Under another secret a password comes out as noise: an unsigned request shows it by this alone.
  const isNoise = hidden && (!password || decodeText(password) === undefined)
  if (signature === 'absent' && isNoise) return fail('forged')
  const user = textOf(packet, ATTRIBUTE.userName) ?? ''
  return ok({ packet, user, password, chap: chapOf(packet) })
}

/**
 * RFC 5997 section 3 for a Status-Server, RFC 3579 section 3.2 for EAP. An unsigned request with a
 * Proxy-State is what BlastRADIUS needs (CVE-2024-3596), and old clients that cannot sign are no
 * proxies.
 */
const mustBeSigned = (packet: RadiusPacket, { messageAuthenticator }: Trust): boolean =>
  messageAuthenticator === 'required' ||
  packet.code === CODE.statusServer ||
  allOf(packet, ATTRIBUTE.eapMessage).length > 0 ||
  allOf(packet, ATTRIBUTE.proxyState).length > 0

/**
 * Who asks, by what and from where stands there once at the most (RFC 2865 sections 4.1 and 5.44): of
 * two user names this server and the one behind it could each take another.
 */
function isAmbiguous(packet: RadiusPacket): boolean {
  const counts = ONCE.map(type => allOf(packet, type).length)
  const secrets = SECRETS.filter(type => firstOf(packet, type))
  return counts.some(count => count > 1) || secrets.length > 1
}

const SECRETS: readonly number[] = [ATTRIBUTE.userPassword, ATTRIBUTE.chapPassword]
const ONCE: readonly number[] = [
  ...SECRETS,
  ATTRIBUTE.userName,
  ATTRIBUTE.chapChallenge,
  ATTRIBUTE.callingStationId,
  ATTRIBUTE.framedIpAddress,
]
