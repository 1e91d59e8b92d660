import { createSocket } from 'node:dgram'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { fail, ok } from '@oneknock/shared'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../client/src/clock.ts'
import { httpWay } from '../../client/src/http.ts'
import { knock } from '../../client/src/index.ts'
import { knockWith, type Target } from '../../client/src/knock.ts'
import type { KnockEvent } from '../../client/src/outcome.ts'
import { FALL_BACK_MS, GIVE_UP_MS } from '../../client/src/timing.ts'
import type { Transport } from '../../client/src/transport.ts'
import { certificateFiles, makeCertificate } from '../certificate.ts'
import { device, type Kit, kit, service, user } from '../server/kit.ts'
import { type Door, type DoorOptions, makeDoor } from '../server/listeners/http.ts'
import { FakeWorld, KEY } from './fake-world.ts'

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

/** A door with a gatekeeper behind it that goes by this machine's clock. */
async function door(options: DoorOptions = {}): Promise<Kit & Door & { target: Target }> {
  const laptop = { ...device('alice', 'laptop', 1), enrolledAt: Date.now() }
  const k = kit({
    services: [service('ssh', { factor: 'none' })],
    users: [user('alice', 1, { devices: [laptop], services: ['ssh'] })],
    host: { listensOnLoopback: true },
  })
  k.clock.wall = Date.now()
  while (k.keyring.hints.prepare(k.clock.now(), 1000));
  const made = await makeDoor(options)
  await made.listener.start(k.gatekeeper.judge)
  undo.push(() => made.listener.stop())
  const http = `http://127.0.0.1:${made.port}`
  return { ...k, ...made, target: { host: '127.0.0.1', port: 9, key: ALICE, http } }
}

/** The key of alice's laptop in `kit`. */
const ALICE = new Uint8Array(32).fill(1)

/** UDP that sends and hears nothing; or that has no way at all. */
const deaf = (connects: boolean): Transport => ({
  resolve: async () => ok(['127.0.0.1' as never]),
  onLink: () => [],
  connect: async server =>
    connects
      ? ok({ server, own: undefined, listen: () => {}, send: () => {}, close: () => {} })
      : fail('ENETUNREACH'),
})

/** Time in which waiting for UDP to answer takes nothing. */
const hasty = {
  ...systemClock,
  after: (ms: number, run: () => void) =>
    systemClock.after(ms === FALL_BACK_MS || ms === GIVE_UP_MS ? ms / 20 : ms, run),
}

const worldOf = (connects: boolean) => ({
  transport: deaf(connects),
  clock: hasty,
  random: (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)),
  overHttp: async (url: string) => httpWay(url),
})

function heardEvents() {
  const events: KnockEvent[] = []
  return { events, on: (event: KnockEvent) => events.push(event) }
}

describe('a knock whose UDP meets silence', () => {
  it('goes through the HTTP door, and is the same knock', async () => {
    const { target, open, lines } = await door()
    const { events, on } = heardEvents()
    const result = await knockWith(worldOf(true), target, { services: ['ssh'], on })
    expect(result).toMatchObject({ status: 'opened', detail: 'ssh' })
    expect(await open()).toEqual(['ssh 127.0.0.1'])
    expect(events.map(({ type }) => type)).toContain('falling-back')
    expect(lines.filter(({ event }) => event.event === 'knock')).toHaveLength(1)
  })

  it('goes there too when there is no way for UDP', async () => {
    const { target } = await door()
    expect(await knockWith(worldOf(false), target, {})).toMatchObject({ status: 'opened' })
  })

  it('names the same address as UDP does, so that nobody on the way can take its place', async () => {
    const { target, lines } = await door()
    await knockWith(worldOf(true), target, { services: ['ssh'] })
    expect(lines[0]!.event).toMatchObject({ source: '127.0.0.1' })
    const { events, on } = heardEvents()
    await knockWith(worldOf(true), target, { services: ['ssh'], on })
    expect(events.findLast(({ type }) => type === 'route')).toMatchObject({
      own: '127.0.0.1',
      named: { address: '127.0.0.1', prefix: 128 },
    })
  })

  it('asks once where the answer comes in time', async () => {
    const { target, gatekeeper, listener } = await door()
    let asked = 0
    await listener.stop()
    await listener.start(attempt => {
      asked++
      return gatekeeper.judge(attempt)
    })
    const result = await knockWith(worldOf(true), target, { services: ['ssh'] })
    expect(result.status).toBe('opened')
    expect(asked).toBe(1)
  })

  it('says what both ways came to if neither leads there', async () => {
    const nobody = { host: '127.0.0.1', port: 9, key: ALICE, http: 'http://127.0.0.1:9' }
    expect(await knockWith(worldOf(true), nobody, {})).toMatchObject({
      status: 'no-reply',
      http: 'ECONNREFUSED',
    })
    const { target } = await door()
    const stranger = { ...target, key: new Uint8Array(32).fill(99) }
    expect(await knockWith(worldOf(false), stranger, {})).toMatchObject({
      status: 'unreachable',
      http: 'no reply',
    })
  })
})

describe('what else can answer there', () => {
  let server: Server
  const listen = async (status: number, body: string): Promise<string> => {
    server = createServer((_, response) => response.writeHead(status).end(body))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    undo.push(() => server.close())
    return `http://127.0.0.1:${(server.address() as { port: number }).port}`
  }

  it.each([
    [502, 'Bad Gateway', 'HTTP 502'],
    [302, '', 'HTTP 302'],
    [200, '<html>Please log in</html>', 'no reply'],
    [200, 'x'.repeat(100_000), 'no reply'],
    [200, 'x'.repeat(128), 'no reply'],
    [404, 'not here', 'no reply'],
  ])('a portal that says %i is none of ours', async (status, body, cause) => {
    const http = await listen(status, body)
    const target = { host: '127.0.0.1', port: 9, key: ALICE, http }
    expect(await knockWith(worldOf(true), target, {})).toMatchObject({ http: cause })
  })
})

describe('over TLS', () => {
  it('a certificate that nobody vouches for is refused', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'oneknock-tls-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const { cert, key } = certificateFiles(folder)
    makeCertificate({ cert, key }, { altName: 'IP:127.0.0.1' })
    const pem = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
    const { target, port, counters } = await door({ secure: createSecureContext(pem) })
    const secure = { ...target, http: `https://127.0.0.1:${port}` }
    expect(await knockWith(worldOf(true), secure, {})).toMatchObject({
      status: 'no-reply',
      http: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    })
    expect(counters.read().opened).toBe(0)
  })
})

describe('in time that a test moves', () => {
  it('UDP has three seconds, and its answer counts', async () => {
    const world = new FakeWorld({ '203.0.113.1': { own: '203.0.113.7', roundTrip: 2_900 } })
    world.answer = () => ({})
    const target = { host: 'gate', port: 62201, key: KEY, http: 'https://gate' }
    const result = knockWith(
      { ...world, overHttp: () => Promise.reject(new Error('no')) },
      target,
      {},
    )
    await world.clock.advance(4_000)
    expect(await result).toMatchObject({ status: 'opened' })
  })

  it('without a door nothing has changed: it gives up after eight', async () => {
    const world = new FakeWorld({ '203.0.113.1': { own: '203.0.113.7' } })
    const result = knockWith(world, { host: 'gate', port: 62201, key: KEY }, {})
    await world.clock.advance(GIVE_UP_MS)
    const silence = await result
    expect(silence).toMatchObject({ status: 'no-reply' })
    expect(silence).not.toHaveProperty('http')
  })
})

it('works from the library as it stands, past a port that swallows what it gets', async () => {
  const swallow = createSocket('udp4')
  await new Promise<void>(resolve => swallow.bind(0, '127.0.0.1', resolve))
  undo.push(() => swallow.close())
  const { target } = await door()
  const result = await knock({ ...target, port: swallow.address().port }, { services: ['ssh'] })
  expect(result).toMatchObject({ status: 'opened', detail: 'ssh' })
})
