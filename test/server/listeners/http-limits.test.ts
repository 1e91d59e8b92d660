import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  BLIND_BYTES,
  BODY_BYTES,
  CLOSING_MS,
  CONNECTION_MS,
  CONNECTIONS_MAX,
  CONNECTIONS_PER_SOURCE,
  HEADER_BYTES,
  REQUEST_MS,
  TRIES,
} from '../../../server/src/listeners/http/limits.ts'
import { barrier, type Kit, kit } from '../kit.ts'
import { type Door, fetchFrom, makeDoor, postForm, typeBlind } from './http.ts'

/** What strangers try at the HTTP door, over real sockets; only the door's timers are moved by hand. */

let door: Door
let k: Kit
const sockets: Socket[] = []

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  k = kit({ host: { listensOnLoopback: true } })
  door = await makeDoor()
  await door.listener.start(k.gatekeeper.judge)
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await door.listener.stop()
  vi.useRealTimers()
})

/** Looks again after each turn of the loop: the timers are not to be relied on here. */
async function seen(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('it did not come about')
    await new Promise(resolve => setImmediate(resolve))
  }
}

interface Stranger {
  readonly socket: Socket
  heard: string
  closed: boolean
}

function come(say = '', from = '127.0.0.1'): Promise<Stranger> {
  const socket = connect({ host: '127.0.0.1', port: door.port, localAddress: from })
  sockets.push(socket)
  const stranger: Stranger = { socket, heard: '', closed: false }
  socket.on('data', chunk => {
    stranger.heard += chunk
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    stranger.closed = true
  })
  return new Promise(resolve =>
    socket.once('connect', () => socket.write(say, () => resolve(stranger))),
  )
}

const opens = async (from?: string) =>
  (await postForm(door.port, { user: 'alice', code: k.code().code }, from ? { from } : {})).status

describe('whoever is idle', () => {
  it('is gone in time, and hears nothing', async () => {
    const idle = await come()
    await seen(() => door.listener.connections === 1)
    vi.advanceTimersByTime(CONNECTION_MS - 1)
    expect(door.listener.connections).toBe(1)
    vi.advanceTimersByTime(1)
    await seen(() => idle.closed)
    expect(idle.heard).toBe('')
    expect(door.listener.connections).toBe(0)
  })

  it('is gone sooner who has begun a request and sends it byte by byte', async () => {
    const slow = await come('GET / HTTP/1.1\r\nHost: ')
    await seen(() => door.listener.connections === 1)
    let passed = 0
    for (; !slow.closed && passed < CONNECTION_MS; passed += 1_000) {
      slow.socket.write('x')
      vi.advanceTimersByTime(1_000)
      for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve))
    }
    expect(passed).toBeGreaterThanOrEqual(REQUEST_MS)
    expect(passed).toBeLessThan(CONNECTION_MS)
  })

  it('is gone who sends a body byte by byte', async () => {
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n'
    const slow = await come(`${head}a`)
    await seen(() => door.listener.connections === 1)
    for (let i = 0; i < 5; i++) {
      await new Promise<void>(resolve => slow.socket.write('x', () => resolve()))
      vi.advanceTimersByTime(CONNECTION_MS / 5)
      await new Promise(resolve => setImmediate(resolve))
    }
    await seen(() => slow.closed)
    expect(k.counters.read().refused).toBe(0)
  })

  it('is gone who was answered and does not hang up', async () => {
    const lingering = await come('not a code\n'.padEnd(BLIND_BYTES, ' '))
    await seen(() => lingering.closed)
    const answered = await come('nobody:000000\n')
    await seen(() => answered.heard !== '')
    vi.advanceTimersByTime(CLOSING_MS)
    await seen(() => answered.closed)
  })
})

describe('whoever sends much', () => {
  it('is answered 413 for a body beyond the limit, whether its length is said or not', async () => {
    const body = Buffer.alloc(BODY_BYTES + 1, 97)
    expect(await fetchFrom(door.port, '/', { method: 'POST', body })).toMatchObject({ status: 413 })
    const chunked = await come('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
    chunked.socket.write(`2000\r\n${'a'.repeat(0x2000)}\r\n`)
    await seen(() => chunked.heard.startsWith('HTTP/1.1 413'))
  })

  it('is cut off in a body of 1 MiB, and nothing of it is kept', async () => {
    const big = await come(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${1 << 20}\r\n\r\n`)
    big.socket.write(Buffer.alloc(1 << 20))
    await seen(() => big.heard.startsWith('HTTP/1.1 413') || big.closed)
    vi.advanceTimersByTime(CLOSING_MS)
    await seen(() => door.listener.connections === 0)
  })

  it('gets no further with headers beyond the limit', async () => {
    const big = await come(
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(2 * HEADER_BYTES)}\r\n\r\n`,
    )
    await seen(() => big.closed || big.heard.startsWith('HTTP/1.1 4'))
  })

  it('is searched for a code no further than the limit', async () => {
    const code = `alice:${k.code().code}\n`
    const beyond = await typeBlind(door.port, `${' '.repeat(BLIND_BYTES)}${code}`)
    expect(beyond).toBe('')
    const within = await typeBlind(door.port, `${' '.repeat(BLIND_BYTES - code.length - 1)}${code}`)
    expect(within).toMatch(/^open: /)
  })

  it('has one request on a connection: what comes behind it is not looked at', async () => {
    const wrong = 'GET /alice:000000 HTTP/1.1\r\nHost: x\r\n\r\n'
    const eager = await come(wrong.repeat(5))
    await seen(() => eager.closed)
    expect(k.counters.read().refused).toBe(1)
  })
})

describe('many', () => {
  it('of one source keep nobody out, of that source neither', async () => {
    const crowd = await Promise.all(Array.from({ length: 500 }, () => come()))
    await seen(() => crowd.filter(({ closed }) => closed).length >= 500 - CONNECTIONS_PER_SOURCE)
    expect(door.listener.connections).toBeLessThanOrEqual(CONNECTIONS_PER_SOURCE)
    expect(await opens()).toBe(200)
    k.clock.pass(30_000)
    expect(await opens('127.0.0.2')).toBe(200)
  })

  it('of many sources keep nobody out', async () => {
    const crowd = await Promise.all(
      Array.from({ length: 2_000 }, (_, i) => come('GET /', `127.0.1.${(i % 40) + 1}`)),
    )
    await seen(() => crowd.filter(({ closed }) => closed).length >= 2_000 - CONNECTIONS_MAX)
    expect(door.listener.connections).toBeLessThanOrEqual(CONNECTIONS_MAX)
    expect(await opens('127.0.0.2')).toBe(200)
    expect(door.counts.get('dropped')).toBeGreaterThanOrEqual(2_000 - CONNECTIONS_MAX)
  })

  it('never take the place of somebody who is being answered', async () => {
    const disk = barrier()
    k.disk.gate = disk.wait
    const answer = opens('127.0.0.3')
    await seen(() => k.counters.read().opened === 1)
    await Promise.all(
      Array.from({ length: 2 * CONNECTIONS_PER_SOURCE }, () => come('', '127.0.0.3')),
    )
    await seen(() => (door.counts.get('dropped') ?? 0) >= CONNECTIONS_PER_SOURCE)
    disk.open()
    expect(await answer).toBe(200)
  })
})

describe('whoever tries many codes', () => {
  it('is told to wait before anything is judged, and others are not', async () => {
    const users = Array.from({ length: TRIES }, (_, i) => `nobody-${i}`)
    for (const user of users) {
      expect((await postForm(door.port, { user, code: '000000' })).status).toBe(403)
    }
    const judged = k.counters.read().refused
    expect(judged).toBe(TRIES)
    expect(await opens()).toBe(429)
    expect(await typeBlind(door.port, `alice:${k.code().code}\n`)).toMatch(
      /^not open: Too many tries/,
    )
    expect(k.counters.read().refused).toBe(judged)
    expect(door.counts.get('busy')).toBe(2)
    expect(await opens('127.0.0.2')).toBe(200)
  })
})
