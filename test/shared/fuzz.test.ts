import { describe, expect, it } from 'vitest'
import {
  deriveKeys,
  encodeKnock,
  encodeReply,
  fromHex,
  openReply,
  parseKnock,
  parseReply,
  tagOf,
} from '../../shared/src/index.ts'
import { loadGood } from '../vectors/vectors.ts'
import { readerAt } from './reference.ts'

const RUNS = 200_000

const good = loadGood()
const keys = deriveKeys(fromHex(good.device_key)!)
const packet = fromHex(good.packet.datagram)!
const tag = tagOf(packet)
const reply = fromHex(good.reply.datagram)!
const knockBody = fromHex(good.packet.body)!
const replyBody = fromHex(good.reply.body)!
const readPacket = readerAt({
  devices: [keys],
  clockMs: good.packet.sent_at_ms,
  windowMs: 120_000,
  floorMs: 0,
  seen: [],
})

/** Mulberry32: the same numbers in every run, so that a failure can be had again. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** One to four bytes changed, and now and then the end cut off or put on. */
function mutated(original: Uint8Array, random: (below: number) => number): Uint8Array {
  const copy = random(8) === 0 ? resized(original, random) : original.slice()
  for (let changes = 1 + random(4); changes > 0 && copy.length > 0; changes--) {
    copy[random(copy.length)]! ^= 1 + random(255)
  }
  return copy
}

function resized(original: Uint8Array, random: (below: number) => number): Uint8Array {
  const copy = new Uint8Array(random(2 * original.length))
  copy.set(original.subarray(0, copy.length))
  return copy
}

function junk(random: (below: number) => number): Uint8Array {
  const lengths = [256, 192, 128, 72]
  const bytes = new Uint8Array(random(2) === 0 ? lengths[random(4)]! : random(600))
  for (let i = 0; i < bytes.length; i++) bytes[i] = random(256)
  return bytes
}

/** Reads bytes as all that they could be taken for; counts what each reader says. */
function readAll(bytes: Uint8Array, count: (what: string) => void): void {
  count(`packet ${readPacket(bytes).stage ?? 'accepted'}`)
  const opened = openReply(keys, tag, bytes)
  count(`reply ${opened.ok ? 'accepted' : opened.error.code}`)
}

function readBodies(knock: Uint8Array, answer: Uint8Array, count: (what: string) => void): void {
  const parsedKnock = parseKnock(knock)
  count(`knock ${parsedKnock.ok ? 'accepted' : parsedKnock.error.field}`)
  if (parsedKnock.ok) expectSame(encodeKnock(parsedKnock.value), knock)
  const parsedReply = parseReply(answer)
  count(`answer ${parsedReply.ok ? 'accepted' : parsedReply.error.field}`)
  if (parsedReply.ok) expectSame(encodeReply(parsedReply.value), answer)
}

function expectSame(encoded: ReturnType<typeof encodeKnock>, bytes: Uint8Array): void {
  if (!encoded.ok || Buffer.compare(encoded.value, bytes) !== 0) {
    throw new Error(`parsed and encoded, it is another: ${Buffer.from(bytes).toString('hex')}`)
  }
}

function counting(): {
  readonly counts: Map<string, number>
  readonly count: (what: string) => void
} {
  const counts = new Map<string, number>()
  return { counts, count: what => counts.set(what, (counts.get(what) ?? 0) + 1) }
}

const LIMIT_MS = 120_000

describe('fuzzing with a fixed seed', () => {
  it(
    `${RUNS} mutated packets, replies and bodies: no throw, nothing forged accepted`,
    () => {
      const random = generator(1)
      const { counts, count } = counting()
      for (let run = 0; run < RUNS; run++) {
        readAll(mutated(run % 2 === 0 ? packet : reply, random), count)
        readBodies(mutated(knockBody, random), mutated(replyBody, random), count)
      }
      expect(counts.get('packet accepted')).toBeUndefined()
      expect(counts.get('reply accepted')).toBeUndefined()
      // Every reader was met, well formed bodies included: else this would have tried nothing.
      for (const what of ['packet hint', 'packet tag', 'reply tag', 'knock accepted']) {
        expect(counts.get(what)).toBeGreaterThan(1000)
      }
      for (const field of ['verb', 'factor', 'padding', 'prefix', 'services', 'sent-at']) {
        expect(counts.get(`knock ${field}`)).toBeGreaterThan(100)
      }
      for (const field of ['accepted', 'status', 'reason', 'prefix', 'detail', 'padding']) {
        expect(counts.get(`answer ${field}`)).toBeGreaterThan(100)
      }
    },
    LIMIT_MS,
  )

  it(
    `${RUNS} random buffers of random lengths: no throw, none accepted`,
    () => {
      const random = generator(2)
      const { counts, count } = counting()
      for (let run = 0; run < RUNS; run++) {
        const bytes = junk(random)
        readAll(bytes, count)
        readBodies(bytes, bytes, count)
      }
      expect([...counts.keys()].filter(what => what.endsWith('accepted'))).toEqual([])
      expect(counts.get('packet hint')).toBeGreaterThan(RUNS / 16)
      expect(counts.get('reply tag')).toBeGreaterThan(RUNS / 16)
      expect(counts.get('knock version')).toBeGreaterThan(RUNS / 16)
    },
    LIMIT_MS,
  )
})
