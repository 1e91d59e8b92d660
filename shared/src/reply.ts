import { xchacha20 } from '@noble/ciphers/chacha.js'
import { type Address, addressBytes, isMapped, isPrefix, readAddress } from './address.ts'
import {
  equalBytes,
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
  DETAIL_MAX,
  GRANT_ID_BYTES,
  NONCE_BYTES,
  REASONS,
  REPLY_BODY_BYTES,
  REPLY_BYTES,
  type Reason,
  STATUSES,
  type Status,
  TAG_BYTES,
  VERSION,
} from './constants.ts'
import { macUnder } from './hmac.ts'
import type { DerivedKeys } from './keys.ts'
import type { Malformed, MalformedField } from './packet.ts'
import { fail, ok, type Result } from './result.ts'

/** What the server answers. The layout is in SPEC.md; this is the same, field for field. */
export interface Reply {
  readonly status: Status
  readonly reason: Reason
  /** On the 16-byte address, as in the packet. */
  readonly prefix: number
  /** Seconds granted. */
  readonly lifetime: number
  /** The server's clock, milliseconds since the Unix epoch. */
  readonly serverMs: number
  readonly address: Address
  /** 16 hexadecimal digits; zeros if nothing was granted. */
  readonly grant: string
  /** The services opened, or which one was refused; printable ASCII, 31 characters at most. */
  readonly detail: string
}

const BODY = {
  version: 0,
  status: 1,
  reason: 2,
  prefix: 3,
  lifetime: 4,
  serverMs: 8,
  address: 16,
  grant: 32,
  detailLength: 40,
  detail: 41,
} as const

/** Where its tag begins, which is over all before. */
export const REPLY_TAG_AT = REPLY_BYTES - TAG_BYTES
const AT = { nonce: 0, body: NONCE_BYTES, tag: REPLY_TAG_AT } as const

const malformed = (field: MalformedField) => fail<Malformed>({ code: 'malformed', field })

/** Strict: whatever this accepts, `encodeReply` turns back into the very same bytes. */
export function parseReply(body: Uint8Array): Result<Reply, Malformed> {
  if (body.length !== REPLY_BODY_BYTES) return malformed('length')
  if (body[BODY.version] !== VERSION) return malformed('version')
  const status = STATUSES[body[BODY.status]!]
  if (!status) return malformed('status')
  const reason = REASONS[body[BODY.reason]!]
  if (!reason) return malformed('reason')
  const prefix = body[BODY.prefix]!
  if (!isPrefix(prefix, isMapped(body, BODY.address))) return malformed('prefix')
  const serverMs = readU64(body, BODY.serverMs)
  if (serverMs > Number.MAX_SAFE_INTEGER) return malformed('server-clock')
  const detailLength = body[BODY.detailLength]!
  if (detailLength > DETAIL_MAX) return malformed('detail-length')
  const detail = readAscii(body, BODY.detail, detailLength)
  if (detail === undefined) return malformed('detail')
  if (!isZero(body, BODY.detail + detailLength, REPLY_BODY_BYTES)) return malformed('padding')
  return ok({
    status,
    reason,
    prefix,
    lifetime: readU32(body, BODY.lifetime),
    serverMs,
    address: readAddress(body, BODY.address),
    grant: toHex(body, BODY.grant, BODY.grant + GRANT_ID_BYTES),
    detail,
  })
}

/** The body's 72 bytes, or which field of the value no reply can hold. */
export function encodeReply(reply: Reply): Result<Uint8Array, Malformed> {
  const grant = fromHex(reply.grant)
  if (grant?.length !== GRANT_ID_BYTES) return malformed('grant')
  const address = addressBytes(reply.address)
  if (!isPrefix(reply.prefix, isMapped(address, 0))) return malformed('prefix')
  if (!Number.isInteger(reply.lifetime) || reply.lifetime < 0 || reply.lifetime >= 2 ** 32) {
    return malformed('lifetime')
  }
  if (!Number.isSafeInteger(reply.serverMs) || reply.serverMs < 0) return malformed('server-clock')
  if (reply.detail.length > DETAIL_MAX) return malformed('detail-length')
  if (!isPrintableAscii(reply.detail)) return malformed('detail')

  const body = new Uint8Array(REPLY_BODY_BYTES)
  body[BODY.version] = VERSION
  body[BODY.status] = STATUSES.indexOf(reply.status)
  body[BODY.reason] = REASONS.indexOf(reply.reason)
  body[BODY.prefix] = reply.prefix
  writeU32(body, BODY.lifetime, reply.lifetime)
  writeU64(body, BODY.serverMs, reply.serverMs)
  body.set(address, BODY.address)
  body.set(grant, BODY.grant)
  body[BODY.detailLength] = reply.detail.length
  writeAscii(body, BODY.detail, reply.detail)
  return ok(body)
}

/** What a reply is sealed with. */
export type ReplyKeys = Pick<DerivedKeys, 'replyEncrypt' | 'replyAuthenticate'>

/**
 * HMAC-SHA-256 under the key over the knock's tag and the reply up to its own: `REPLY_TAG_AT` bytes.
 * What it gives may be good until the next only.
 */
export type ReplyTag = (key: Uint8Array, knockTag: Uint8Array, reply: Uint8Array) => Uint8Array

/**
 * Bound to the packet it answers by that packet's tag. `nonce` is 24 random bytes. `tagBy`: for those
 * who have a quicker HMAC.
 */
export function sealReply(
  keys: ReplyKeys,
  nonce: Uint8Array,
  knockTag: Uint8Array,
  reply: Reply,
  tagBy: ReplyTag = replyTag,
): Result<Uint8Array, Malformed> {
  const body = encodeReply(reply)
  return body.ok ? ok(sealReplyBody(keys, nonce, knockTag, body.value, tagBy)) : body
}

/** Any 72 bytes as a reply: what `sealReply` ends with, and how vectors of bad bodies are made. */
export function sealReplyBody(
  keys: ReplyKeys,
  nonce: Uint8Array,
  knockTag: Uint8Array,
  body: Uint8Array,
  tagBy: ReplyTag = replyTag,
): Uint8Array {
  const datagram = new Uint8Array(REPLY_BYTES)
  datagram.set(nonce, AT.nonce)
  xchacha20(keys.replyEncrypt, nonce, body, datagram.subarray(AT.body, AT.tag))
  datagram.set(tagBy(keys.replyAuthenticate, knockTag, datagram), AT.tag)
  return datagram
}

export type ReplyRefusal = { readonly code: 'length' } | { readonly code: 'tag' } | Malformed

/** Opens a datagram as the answer to the packet with this tag. */
export function openReply(
  keys: DerivedKeys,
  knockTag: Uint8Array,
  datagram: Uint8Array,
): Result<Reply, ReplyRefusal> {
  if (datagram.length !== REPLY_BYTES) return fail({ code: 'length' })
  const tag = replyTag(keys.replyAuthenticate, knockTag, datagram)
  if (!equalBytes(tag, 0, datagram, AT.tag, TAG_BYTES)) return fail({ code: 'tag' })
  return parseReply(
    xchacha20(keys.replyEncrypt, datagram.subarray(0, AT.body), datagram.subarray(AT.body, AT.tag)),
  )
}

/** Good until the next. */
function replyTag(key: Uint8Array, knockTag: Uint8Array, datagram: Uint8Array): Uint8Array {
  signed.set(knockTag, 0)
  signed.set(datagram.subarray(0, AT.tag), TAG_BYTES)
  return macUnder(key, signed, signed.length)
}

const signed = new Uint8Array(TAG_BYTES + AT.tag)
