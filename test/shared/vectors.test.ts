import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import {
  deriveKeys,
  encodeKnock,
  encodeReply,
  fromHex,
  type Knock,
  openReply,
  parseKnock,
  parseReply,
  type Reply,
  sealKnock,
  sealReply,
  tagOf,
  toHex,
} from '../../shared/src/index.ts'
import { makePackets, makeReplies } from '../vectors/build.ts'
import {
  loadGood,
  loadPackets,
  loadReplies,
  type PacketVector,
  type VectorKnock,
  type VectorReply,
} from '../vectors/vectors.ts'
import { readPacket } from './reference.ts'

const bytes = (hex: string) => fromHex(hex)!

const knockOf = ({ lifetime_s, sent_at_ms, knock_id, ...rest }: VectorKnock) =>
  ({ ...rest, lifetime: lifetime_s, sentAt: sent_at_ms, knockId: knock_id }) as Knock

const replyOf = ({ lifetime_s, server_ms, ...rest }: VectorReply) =>
  ({ ...rest, lifetime: lifetime_s, serverMs: server_ms }) as Reply

describe('good.json', () => {
  const good = loadGood()
  const keys = deriveKeys(bytes(good.device_key))
  const { epoch, nonce, body, datagram, ...knock } = good.packet
  const tag = tagOf(bytes(datagram))

  it('derives the five keys', () => {
    expect({
      hint: toHex(keys.hint),
      'knock encrypt': toHex(keys.knockEncrypt),
      'knock authenticate': toHex(keys.knockAuthenticate),
      'reply encrypt': toHex(keys.replyEncrypt),
      'reply authenticate': toHex(keys.replyAuthenticate),
    }).toEqual(good.keys)
  })

  it('makes the packet, byte for byte, and reads it back', () => {
    const sealed = sealKnock(keys, bytes(nonce), knockOf(knock))
    expect(sealed.ok && toHex(sealed.value)).toBe(datagram)
    expect(parseKnock(bytes(body))).toEqual({ ok: true, value: knockOf(knock) })
    const moment = { clockMs: knock.sent_at_ms, windowMs: 120_000, floorMs: 0, seen: [] }
    expect(readPacket(bytes(datagram), { ...moment, devices: [keys] })).toEqual({
      stage: null,
      knock: knockOf(knock),
    })
  })

  it('makes the reply, byte for byte, and reads it back', () => {
    const { nonce, body, datagram, ...reply } = good.reply
    const sealed = sealReply(keys, bytes(nonce), tag, replyOf(reply))
    expect(sealed.ok && toHex(sealed.value)).toBe(datagram)
    expect(parseReply(bytes(body))).toEqual({ ok: true, value: replyOf(reply) })
    expect(openReply(keys, tag, bytes(datagram))).toEqual({ ok: true, value: replyOf(reply) })
  })
})

describe('packets.json', () => {
  const file = loadPackets()
  const devices = Object.values(file.devices)
    .filter(({ enrolled }) => enrolled)
    .map(({ device_key }) => deriveKeys(bytes(device_key)))

  it('is what make.ts writes', () => expect(file).toEqual(makePackets()))

  it('has a vector for every stage and every field of the body', () => {
    const covered = (key: 'stage' | 'field') =>
      new Set(file.vectors.flatMap(vector => vector[key] ?? []))
    expect([...covered('stage')].sort()).toEqual(
      ['length', 'hint', 'tag', 'malformed', 'epoch', 'stale', 'floor', 'replay'].sort(),
    )
    expect([...covered('field')].sort()).toEqual(
      [
        ...['version', 'verb', 'factor-kind', 'factor-length', 'factor', 'padding'],
        ...['sent-at', 'prefix', 'services-length', 'services'],
      ].sort(),
    )
  })

  const read = ({ datagram, clock_ms, floor_ms, seen }: PacketVector) =>
    readPacket(bytes(datagram), {
      devices,
      clockMs: clock_ms,
      windowMs: file.freshness_window_ms,
      floorMs: floor_ms,
      seen,
    })

  it.each(file.vectors.filter(({ stage }) => stage))('$name: $what', vector => {
    const { stage, field } = vector
    expect(read(vector)).toEqual(field ? { stage, field } : { stage })
  })

  it.each(file.vectors.filter(({ stage }) => !stage))('$name: $what', vector => {
    const knock = knockOf(vector.knock!)
    expect(read(vector)).toEqual({ stage: null, knock })
    const body = encodeKnock(knock)
    expect(body.ok && toHex(body.value)).toBe(vector.body)
    const keys = deriveKeys(bytes(file.devices[vector.device]!.device_key))
    const sealed = sealKnock(keys, bytes(vector.nonce), knock)
    expect(sealed.ok && toHex(sealed.value)).toBe(vector.datagram)
  })
})

describe('replies.json', () => {
  const file = loadReplies()
  const keys = deriveKeys(bytes(file.devices.laptop!.device_key))

  it('is what make.ts writes', () => expect(file).toEqual(makeReplies()))

  it('has a vector for every stage, every field of the body, every status and every reason', () => {
    const distinct = (values: readonly unknown[]) => [...new Set(values.filter(Boolean))].length
    expect(distinct(file.vectors.map(({ stage }) => stage))).toBe(3)
    expect(distinct(file.vectors.map(({ field }) => field))).toBe(8)
    expect(distinct(file.vectors.map(({ reply }) => reply?.status))).toBe(4)
    expect(distinct(file.vectors.map(({ reply }) => reply?.reason))).toBe(11)
  })

  it.each(file.vectors.filter(({ stage }) => stage))('$name: $what', vector => {
    const { stage, field } = vector
    expect(openReply(keys, bytes(vector.awaited_tag), bytes(vector.datagram))).toEqual({
      ok: false,
      error: field ? { code: stage, field } : { code: stage },
    })
  })

  it.each(file.vectors.filter(({ stage }) => !stage))('$name: $what', vector => {
    const value = replyOf(vector.reply!)
    const tag = bytes(vector.awaited_tag)
    expect(openReply(keys, tag, bytes(vector.datagram))).toEqual({ ok: true, value })
    const body = encodeReply(value)
    expect(body.ok && toHex(body.value)).toBe(vector.body)
    const sealed = sealReply(keys, bytes(vector.nonce), tag, value)
    expect(sealed.ok && toHex(sealed.value)).toBe(vector.datagram)
  })
})

describe('an independent implementation', () => {
  const isMissing = spawnSync('python3', ['--version']).status !== 0

  it.skipIf(isMissing && !process.env.CI)(
    'derives every value of every vector and of SPEC.md (needs python3)',
    () => {
      const script = new URL('../vectors/check.py', import.meta.url).pathname
      const { status, stdout, stderr } = spawnSync('python3', [script], { encoding: 'utf8' })
      expect(stderr).toBe('')
      const packets = loadPackets().vectors.length
      const replies = loadReplies().vectors.length
      expect(stdout).toContain(`${packets} packets, ${replies} replies, good.json, SPEC.md: `)
      expect(status).toBe(0)
    },
  )
})
