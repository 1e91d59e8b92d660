import { createHash, createHmac } from 'node:crypto'
import { hchacha } from '@noble/ciphers/chacha.js'
import {
  AT,
  type DerivedKeys,
  deriveKeys,
  fromHex,
  hintAt,
  NONCE_BYTES,
  PROTOCOL,
  parseKnock,
  parseReply,
  sealBody,
  sealReplyBody,
  TAG_BYTES,
  tagOf,
  toHex,
} from '../../shared/src/index.ts'
import { tagUnder } from '../shared/tags.ts'
import { type PacketCase, WINDOW_MS } from './packet-case.ts'
import { PACKET_CASES } from './packet-cases.ts'
import { REPLY_CASES, type ReplyCase } from './reply-cases.ts'
import type {
  Edit,
  PacketVector,
  PacketVectors,
  ReplyVector,
  ReplyVectors,
  VectorDevice,
} from './vectors.ts'

/** The first is that of good.json; the second shows which keys matter; nobody knows the third. */
const DEVICE_KEYS: Readonly<Record<string, Uint8Array>> = {
  laptop: Uint8Array.from({ length: 32 }, (_, i) => i),
  runner: Uint8Array.from({ length: 32 }, (_, i) => 32 + i),
  stranger: Uint8Array.from({ length: 32 }, (_, i) => 64 + i),
}
const KEYS: Readonly<Record<string, DerivedKeys>> = Object.fromEntries(
  Object.entries(DEVICE_KEYS).map(([name, key]) => [name, deriveKeys(key)]),
)

export const makePackets = (): PacketVectors => ({
  what:
    'oneknock/1 packets; each is refused at the stage it names and would pass every other, or is ' +
    'accepted (stage null). Bytes are hexadecimal, times are milliseconds since the Unix epoch. ' +
    'Made by make.ts.',
  devices: makeDevices(),
  freshness_window_ms: WINDOW_MS,
  vectors: PACKET_CASES.map(makePacket),
})

export const makeReplies = (): ReplyVectors => ({
  what:
    'oneknock/1 replies, as a client that waits on awaited_tag sees them; each is refused at the ' +
    'stage it names and would pass every other, or is accepted (stage null). Bytes are ' +
    'hexadecimal. Made by make.ts.',
  devices: makeDevices(),
  vectors: REPLY_CASES.map(makeReply),
})

function makeDevices(): Record<string, VectorDevice> {
  const devices = Object.entries(DEVICE_KEYS).map(([name, key]): [string, VectorDevice] => {
    const keys = KEYS[name]!
    const hex = {
      hint: toHex(keys.hint),
      'knock encrypt': toHex(keys.knockEncrypt),
      'knock authenticate': toHex(keys.knockAuthenticate),
      'reply encrypt': toHex(keys.replyEncrypt),
      'reply authenticate': toHex(keys.replyAuthenticate),
    }
    const pseudorandom = createHmac('sha256', PROTOCOL).update(key).digest('hex')
    const enrolled = name !== 'stranger'
    return [name, { device_key: toHex(key), pseudorandom_key: pseudorandom, keys: hex, enrolled }]
  })
  return Object.fromEntries(devices)
}

function makePacket(its: PacketCase): PacketVector {
  const keys = KEYS.laptop!
  const nonce = nonceOf('packet', its.name)
  const sealed = sealPacket(its, nonce)
  const datagram = edited(sealed, its.edit)
  const knock = parseKnock(its.body)
  return {
    name: its.name,
    what: its.what,
    device: 'laptop',
    hint_device: its.hintDevice,
    tag_device: its.tagDevice,
    epoch: its.epoch,
    hint: toHex(sealed, AT.hint, AT.nonce),
    nonce: toHex(nonce),
    subkey: subkeyOf(keys.knockEncrypt, nonce),
    body: toHex(its.body),
    ciphertext: toHex(sealed, AT.body, AT.tag),
    tag: toHex(tagOf(sealed)),
    edit: its.edit,
    datagram: toHex(datagram),
    clock_ms: its.clockMs,
    floor_ms: its.floorMs,
    seen: remembered(its, sealed),
    stage: its.stage,
    ...(its.field && { field: its.field }),
    ...(its.stage === null && knock.ok && { knock: knockInWords(knock.value) }),
  }
}

/** Sealed by the device, but for whose hint it bears and whose tag. */
function sealPacket({ body, epoch, hintDevice, tagDevice }: PacketCase, nonce: Uint8Array) {
  const sealed = sealBody(KEYS.laptop!, nonce, epoch, body)
  sealed.set(hintAt(KEYS[hintDevice]!.hint, epoch), AT.hint)
  sealed.set(tagUnder(KEYS[tagDevice]!.knockAuthenticate, sealed), AT.tag)
  return sealed
}

function remembered(its: PacketCase, sealed: Uint8Array): string[] {
  switch (its.remembers) {
    case 'nothing':
      return []
    case 'this':
      return [toHex(tagOf(sealed))]
    case 'another':
      return [toHex(tagOf(sealPacket(its, nonceOf('packet', 'another'))))]
  }
}

type ParsedKnock = Extract<ReturnType<typeof parseKnock>, { ok: true }>['value']

const knockInWords = ({ lifetime, sentAt, knockId, ...rest }: ParsedKnock) => ({
  ...rest,
  lifetime_s: lifetime,
  sent_at_ms: sentAt,
  knock_id: knockId,
})

function makeReply(its: ReplyCase): ReplyVector {
  const keys = KEYS[its.device]!
  const nonce = nonceOf('reply', its.name)
  const awaited = tagOfPacket('open')
  const answered = its.answers === 'awaited' ? awaited : tagOfPacket('close')
  const sealed = sealReplyBody(keys, nonce, answered, its.body)
  const reply = parseReply(its.body)
  return {
    name: its.name,
    what: its.what,
    device: its.device,
    awaited_tag: toHex(awaited),
    answered_tag: toHex(answered),
    nonce: toHex(nonce),
    subkey: subkeyOf(keys.replyEncrypt, nonce),
    body: toHex(its.body),
    ciphertext: toHex(sealed, NONCE_BYTES, sealed.length - TAG_BYTES),
    tag: toHex(sealed, sealed.length - TAG_BYTES),
    edit: its.edit,
    datagram: toHex(edited(sealed, its.edit)),
    stage: its.stage,
    ...(its.field && { field: its.field }),
    ...(its.stage === null && reply.ok && { reply: replyInWords(reply.value) }),
  }
}

function tagOfPacket(name: string): Uint8Array {
  const its = PACKET_CASES.find(one => one.name === name)!
  return tagOf(sealPacket(its, nonceOf('packet', name))).slice()
}

type ParsedReply = Extract<ReturnType<typeof parseReply>, { ok: true }>['value']

const replyInWords = ({ lifetime, serverMs, ...rest }: ParsedReply) => ({
  ...rest,
  lifetime_s: lifetime,
  server_ms: serverMs,
})

function edited(sealed: Uint8Array, { cut, append, flip }: Edit): Uint8Array {
  const end = append ? fromHex(append)! : new Uint8Array()
  const bytes = Uint8Array.of(...sealed.subarray(0, cut), ...end)
  if (flip) bytes[flip.at]! ^= Number.parseInt(flip.with, 16)
  return bytes
}

/** Of the vector's name, so that a new vector changes no other. */
const nonceOf = (kind: string, name: string): Uint8Array =>
  createHash('sha256').update(`${PROTOCOL} ${kind} ${name}`).digest().subarray(0, NONCE_BYTES)

/** HChaCha20 of the key and the nonce's first 16 bytes: the cipher's only hidden value. */
function subkeyOf(key: Uint8Array, nonce: Uint8Array): string {
  const subkey = new Uint32Array(8)
  hchacha(words(new TextEncoder().encode('expand 32-byte k')), words(key), words(nonce), subkey)
  return toHex(new Uint8Array(subkey.buffer))
}

const words = (bytes: Uint8Array): Uint32Array => new Uint32Array(Uint8Array.from(bytes).buffer)
