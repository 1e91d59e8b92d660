import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { askDaemon } from '../../server/src/control.ts'
import { buildDaemon, Daemon, HERE } from '../e2e/daemon.ts'
import { freeUdpPort, Knocker } from '../server/knocker.ts'

/** Of each kind. */
const COUNT = 200_000
/** Sent and not yet counted: fewer than the kernel's smallest receive buffer keeps. */
const IN_FLIGHT = 150
/** A good packet comes after so many bad ones, and is answered as if they were not there. */
const GOOD_EVERY = 20_000
/** After so many of a kind the daemon's heap has the size that it needs for them. */
const WARM_UP = 40_000
/** What the heap may swing after that; were a datagram's 256 bytes kept, it would be 40 MiB. */
const RSS_SWING_BYTES = 32 * 1024 * 1024

interface Status {
  readonly pid: number
  readonly grants: number
  readonly replay_memory: number
  readonly rss_bytes: number
  readonly packets: Readonly<Record<string, number>>
}

let program: Awaited<ReturnType<typeof buildDaemon>>
let daemon: Daemon
let knocker: Knocker

beforeAll(async () => {
  program = await buildDaemon()
}, 60_000)
afterAll(() => program?.remove())

beforeEach(async () => {
  const port = await freeUdpPort()
  daemon = new Daemon(
    HERE,
    program.path,
    folder => `
listen = ["127.0.0.1:${port}"]
public = "127.0.0.1:${port}"
state = "${folder}/state"
[services.web]
exec = { open = ["/bin/true"] }
`,
  )
  knocker = new Knocker((await daemon.enrol('alice', 'web')).invitation)
  await daemon.start()
})
afterEach(async () => {
  knocker?.close()
  await daemon?.remove()
})

const status = async () =>
  (await askDaemon(join(daemon.folder, 'state'), { command: 'status' })) as Status

const heard = ({ packets }: Status) => Object.values(packets).reduce((sum, count) => sum + count, 0)

/** Repeatable: the seed is in the test's name. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const seed = Date.now() % 2 ** 31
const random = generator(seed)
const below = (limit: number) => Math.floor(random() * limit)
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!

function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = random() * 256
  return bytes
}

/** Mostly of any length that a datagram on a network has, often of the right one or nearly. */
const randomDatagram = (): Uint8Array =>
  randomBytes(pick([256, 256, 255, 257, below(64), below(1472), below(1472)]))

type Mutation = (good: Uint8Array) => Uint8Array

const flipBits: Mutation = good => {
  for (let flips = 1 + below(8); flips > 0; flips--) {
    good[below(good.length)]! ^= 1 << below(8)
  }
  return good
}
const MUTATIONS: readonly Mutation[] = [
  flipBits,
  flipBits,
  // The hint stays, so that it gets as far as the tag.
  good => {
    good[8 + below(248)]! ^= 1 + below(255)
    return good
  },
  good => good.subarray(0, below(good.length)),
  good => Buffer.concat([good, randomBytes(1 + below(64))]),
  good => {
    good.set(randomBytes(1 + below(31)), 8 + below(216))
    return good
  },
  // The head of one good packet and the tail of another; the hint they may have in common.
  good => {
    const cut = 16 + below(240)
    good.set(knocker.seal().subarray(cut), cut)
    return good
  },
  good => good.toReversed(),
  good => {
    good.fill(below(256), below(256))
    return good
  },
]

function mutatedPacket(): Uint8Array {
  const good = knocker.seal({ verb: pick(['open', 'close']), lifetime: below(2 ** 32) })
  const mutated = pick(MUTATIONS)(good.slice())
  // Rarely nothing has changed, and a good packet is for others to send.
  return Buffer.compare(good, mutated) === 0 ? flipBits(mutated.slice(0, 255)) : mutated
}

it(`${COUNT} random datagrams and ${COUNT} mutated good packets leave nothing behind (seed ${seed})`, async () => {
  let sent = 0
  let good = 0

  /** Every datagram has been counted. Asked again at once, since this comes thousands of times. */
  async function settled(): Promise<Status> {
    const deadline = performance.now() + 20_000
    for (;;) {
      const now = await status()
      if (heard(now) === sent) return now
      if (performance.now() > deadline) throw new Error(`${sent} sent: ${JSON.stringify(now)}`)
    }
  }
  async function send(make: () => Uint8Array): Promise<void> {
    let warm: Status | undefined
    for (let i = 1; i <= COUNT; i++) {
      await knocker.send(make())
      sent++
      if (sent % IN_FLIGHT === 0) await settled()
      if (i === WARM_UP) warm = await settled()
      if (i % GOOD_EVERY !== 0) continue
      await settled()
      expect(await knocker.ask({ verb: 'close' })).toMatchObject({ status: 'closed' })
      sent++
      good++
    }
    const { rss_bytes, pid } = await settled()
    expect(pid).toBe(warm!.pid)
    expect(rss_bytes - warm!.rss_bytes).toBeLessThan(RSS_SWING_BYTES)
  }

  await send(randomDatagram)
  await send(mutatedPacket)

  const end = await settled()
  const { length, hint, tag, closed, ...others } = end.packets
  expect(closed).toBe(good)
  expect(length! + hint! + tag! + closed!).toBe(2 * COUNT + good)
  expect(tag).toBeGreaterThan(COUNT / 10)
  expect(new Set(Object.values(others))).toEqual(new Set([0]))
  expect(knocker.replies).toBe(good)
  expect(end).toMatchObject({ grants: 0, replay_memory: good })

  const ledger = join(daemon.folder, 'state', 'ledger')
  const lines = readdirSync(ledger).flatMap(file =>
    readFileSync(join(ledger, file), 'utf8').trim().split('\n'),
  )
  const events = lines.map(line => JSON.parse(line).event)
  expect(events.filter(event => event === 'knock')).toHaveLength(good)
  expect(events.length).toBeLessThanOrEqual(good + 3)

  // Its own few lines at the start, one for each good packet, and at most one a minute for the rest.
  const logged = daemon.output.join('').trim().split('\n')
  expect(logged.filter(line => line.includes('packets since the start')).length).toBeLessThan(20)
  expect(logged.length).toBeLessThan(good + 30)
  expect(await daemon.end('SIGTERM')).toBe(0)
}, 600_000)
