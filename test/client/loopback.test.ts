import { deriveKeys, ok, parseNetwork, sealReply, tagOf, toHex } from '@oneknock/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../client/src/clock.ts'
import { RETRANSMIT_AT_MS } from '../../client/src/conversation.ts'
import { type KnockOptions, type KnockResult, knock, parseFactor } from '../../client/src/index.ts'
import { knockWith } from '../../client/src/knock.ts'
import { udp } from '../../client/src/transport.ts'
import { answer, FakeServer, type Received } from './fake-server.ts'
import { address, KEY, replyTo } from './fake-world.ts'

let server: FakeServer | undefined
afterEach(() => server?.stop())

const serve = async (
  hosts: readonly string[],
  script: (received: Received, server: FakeServer) => readonly Uint8Array[],
) => {
  server = await FakeServer.start(hosts, script)
  return server
}

const CODE = { kind: 'totp', code: '123456' } as const

const knockAt = ({ port }: FakeServer, options: KnockOptions = {}, host = '127.0.0.1') =>
  knock({ host, port, key: KEY }, { factor: CODE, services: ['ssh'], ...options })

/** A name with an address of each family, which this machine's hosts file may not have. */
const knockAtBoth = ({ port }: FakeServer, options: KnockOptions = {}): Promise<KnockResult> =>
  knockWith(
    {
      transport: { ...udp, resolve: async () => ok([address('::1'), address('127.0.0.1')]) },
      clock: systemClock,
      random: bytes => crypto.getRandomValues(new Uint8Array(bytes)),
    },
    { host: 'both.example', port, key: KEY },
    { factor: CODE, ...options },
  )

describe.each(['127.0.0.1', '::1'])('over %s', host => {
  it('knocks, names its own address, and is open', async () => {
    const at = await serve([host], received => [answer(received)])
    const result = await knockAt(at, { lifetime: 60 }, host)
    expect(result).toMatchObject({
      status: 'opened',
      admitted: [{ address: host, prefix: 128 }],
      detail: 'ssh',
    })
    expect(at.received).toHaveLength(1)
    expect(at.received[0]!.knock).toMatchObject({ address: host, lifetime: 60, factor: CODE })
  })

  it('makes up for lost replies with packets of its own each time', async () => {
    const at = await serve([host], (received, { received: all }) =>
      all.length < 3 ? [] : [answer(received)],
    )
    expect(await knockAt(at, {}, host)).toMatchObject({ status: 'opened' })
    expect(at.received).toHaveLength(3)
    expect(new Set(at.received.map(({ datagram }) => toHex(datagram, 8, 32))).size).toBe(3)
    expect(new Set(at.received.map(({ knock }) => knock.knockId)).size).toBe(1)
  })
})

describe('replies', () => {
  it('may come twice', async () => {
    const at = await serve(['127.0.0.1'], received => {
      const reply = answer(received)
      return [reply, reply]
    })
    expect(await knockAt(at)).toMatchObject({ status: 'opened' })
  })

  it('of others are passed over for the one that answers', async () => {
    const otherKeys = deriveKeys(new Uint8Array(32).fill(9))
    const at = await serve(['127.0.0.1'], (received, { received: all }) => {
      const good = answer(received)
      const forged = good.map((byte, i) => (i === 50 ? byte ^ 1 : byte))
      const toAnother = replyTo(
        received.datagram.map(byte => byte ^ 1),
        {},
      )
      const body = { ...READ_REPLY, address: received.source, serverMs: Date.now() }
      const otherKey = sealReply(otherKeys, new Uint8Array(24), tagOf(received.datagram), body)
      const junk = [forged, toAnother, otherKey.ok ? otherKey.value : good, new Uint8Array(128)]
      return all.length < 2 ? junk : [...junk, good]
    })
    expect(await knockAt(at)).toMatchObject({ status: 'opened' })
    expect(at.received).toHaveLength(2)
  })

  const READ_REPLY = {
    status: 'opened',
    reason: 'none',
    prefix: 128,
    lifetime: 1,
    grant: '0'.repeat(16),
    detail: '',
  } as const

  it('that refuse say why', async () => {
    const at = await serve(['127.0.0.1'], received => [
      answer(received, { status: 'refused', reason: 'factor-used', lifetime: 0, detail: '' }),
    ])
    expect(await knockAt(at)).toMatchObject({ status: 'refused', reason: 'factor-used' })
    expect(at.received).toHaveLength(1)
  })

  it('may come after somebody has said yes', async () => {
    const at = await serve(['127.0.0.1'], (received, { received: all }) => [
      answer(received, all.length < 2 ? { status: 'pending', lifetime: 0 } : {}),
    ])
    expect(await knockAt(at)).toMatchObject({ status: 'opened' })
    expect(new Set(at.received.map(({ knock }) => knock.knockId)).size).toBe(1)
  })
})

describe('two families', () => {
  it('are open after one round trip', async () => {
    const at = await serve(['127.0.0.1', '::1'], received => [answer(received)])
    expect(await knockAtBoth(at)).toMatchObject({
      status: 'opened',
      admitted: [{ address: '::1' }, { address: '127.0.0.1' }],
    })
    expect(at.received.map(({ family, knock }) => [family, knock.address]).sort()).toEqual([
      [4, '127.0.0.1'],
      [6, '::1'],
    ])
  })

  it('do without the one where nobody listens', async () => {
    const at = await serve(['127.0.0.1'], received => [answer(received)])
    expect(await knockAtBoth(at)).toMatchObject({
      status: 'opened',
      admitted: [{ address: '127.0.0.1' }],
    })
  })

  it('are each asked for what the server sees, if told so', async () => {
    const at = await serve(['127.0.0.1', '::1'], received => [answer(received)])
    await knockAtBoth(at, { address: parseNetwork('::')! })
    expect(at.received.map(({ family, knock }) => [family, knock.address]).sort()).toEqual([
      [4, '0.0.0.0'],
      [6, '::'],
    ])
  })
})

/** Each waits until the client gives up, so they wait together, with servers of their own. */
describe.concurrent('silence', () => {
  const withServer = async (use: (at: FakeServer) => Promise<void>) => {
    const at = await FakeServer.start(['127.0.0.1'], () => [])
    try {
      await use(at)
    } finally {
      await at.stop()
    }
  }

  it('of a port where nothing listens is told from a filter', async ({ expect }) => {
    let port = 0
    await withServer(async at => {
      port = at.port
    })
    const result = await knock({ host: '127.0.0.1', port, key: KEY })
    expect(result).toEqual({ status: 'no-reply', servers: ['127.0.0.1'], portClosed: true })
  })

  it('meets a key that the server does not know', ({ expect }) =>
    withServer(async at => {
      const result = await knock({ host: '127.0.0.1', port: at.port, key: KEY.map(byte => ~byte) })
      expect(result).toEqual({ status: 'no-reply', servers: ['127.0.0.1'], portClosed: false })
      expect(at.strangers).toBe(1 + RETRANSMIT_AT_MS.length)
      expect(at.received).toEqual([])
    }))

  it('can be cut short by the caller', ({ expect }) =>
    withServer(async at => {
      const caller = new AbortController()
      at.script = () => {
        caller.abort()
        return []
      }
      expect(await knockAt(at, { signal: caller.signal })).toEqual({ status: 'aborted' })
    }))
})

it('gets through to a daemon that starts meanwhile', async () => {
  const { port } = await serve(['127.0.0.1'], () => [])
  await server?.stop()
  let started: Promise<FakeServer> | undefined
  const result = await knock(
    { host: '127.0.0.1', port, key: KEY },
    {
      on: ({ type }) => {
        if (type !== 'trouble' || started) return
        started = FakeServer.start(['127.0.0.1'], received => [answer(received)], port)
      },
    },
  )
  server = await started
  expect(result.status).toBe('opened')
})

it('knocks from a program as its documentation says', async () => {
  const at = await serve(['127.0.0.1'], received => [answer(received)])
  const factor = parseFactor('123 456')
  const target = { host: 'localhost', port: at.port, key: KEY }
  expect(await knock(target, factor.ok ? { factor: factor.value } : {})).toMatchObject({
    status: 'opened',
  })
})
