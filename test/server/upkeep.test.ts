import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Upkeep } from '../../server/src/upkeep.ts'
import { asRead, device, type Kit, type KitOptions, kit, network, service, user } from './kit.ts'

const HOUR = 3600_000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function upkeeping(options: KitOptions = {}) {
  const k = kit({ services: [service('ssh', { factor: 'none' }), service('wiki')], ...options })
  const logged: { msg: string; [field: string]: unknown }[] = []
  const log = pino({}, { write: line => logged.push(JSON.parse(line)) })
  const upkeep = new Upkeep({ ...k, log })
  upkeep.start()
  return { ...k, upkeep, logged }
}

/** Time goes by, in small steps and with everything in it. */
async function pass(k: Kit, ms: number, step = 10): Promise<void> {
  for (let passed = 0; passed < ms; passed += step) {
    k.clock.pass(step)
    await vi.advanceTimersByTimeAsync(step)
  }
}

describe('upkeep', () => {
  it('ends each grant when its time is up, with one timer however many there are', async () => {
    const devices = Array.from({ length: 40 }, (_, i) => device('alice', `d${i}`, i + 1))
    const k = upkeeping({ users: [user('alice', 1, { devices })] })
    const ends = new Map<string, number>()
    for (const by of devices) {
      const source = `203.0.113.${by.label.slice(1)}`
      await k.send(k.packet({ lifetime: 3 }, by), source)
      await pass(k, 130)
    }
    for (const { id, until } of k.state.grants.list()) ends.set(id, until)
    expect(vi.getTimerCount()).toBeLessThanOrEqual(2)
    await pass(k, 5000)
    expect(await k.open()).toEqual([])
    const ended = k.lines.filter(({ event }) => event.event === 'ended')
    expect(ended).toHaveLength(40)
    for (const { event, at } of ended) {
      const until = event.event === 'ended' && ends.get(event.grant)
      if (until) expect(at - until).toBeLessThanOrEqual(10)
    }
    k.upkeep.stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends what its start found over, and on time what was about to end', async () => {
    const k = kit({ services: [service('ssh', { factor: 'none' })] })
    await k.send(k.packet({ lifetime: 3 }), '203.0.113.1')
    await k.send(k.packet({ lifetime: 4 }), '203.0.113.2')
    k.clock.pass(3_500) // A start with many grants takes as long.
    const upkeep = new Upkeep({ ...k, log: pino({ enabled: false }) })
    upkeep.start()
    await pass(k, 10)
    expect(k.state.grants.list().map(({ networks }) => networks)).toEqual([
      [network('203.0.113.2')],
    ])
    await pass(k, 500)
    expect(k.state.grants.list()).toEqual([])
    upkeep.stop()
  })

  it.each(['wall', 'mono'] as const)(
    'notices within a second that the %s clock jumped',
    async clock => {
      const k = upkeeping()
      await k.send(k.packet({ lifetime: 600 }))
      await pass(k, 1000)
      expect(k.state.grants.size).toBe(1)
      k.clock[clock] += HOUR
      await pass(k, 1000)
      expect(k.state.grants.size).toBe(0)
      k.upkeep.stop()
    },
  )

  it('has hints ready soon after the clock jumped, and hears the next minute at once', async () => {
    const users = Array.from({ length: 60 }, (_, i) => user(`user-${i}`, i + 1))
    const k = upkeeping({ users })
    for (const jump of [HOUR, -2 * HOUR]) {
      k.clock.wall += jump
      await pass(k, 1500)
      const early = k.packet(
        { verb: 'close', sentAt: k.clock.now() + 119_000 },
        users[59]!.devices[1]!,
      )
      expect(await k.send(early)).toMatchObject({ status: 'closed' })
      const late = k.packet(
        { verb: 'close', sentAt: k.clock.now() - 119_000 },
        users[59]!.devices[1]!,
      )
      expect(await k.send(late)).toMatchObject({ status: 'closed' })
    }
    for (let minute = 0; minute < 3; minute++) {
      const ahead = 60_000 - (k.clock.now() % 60_000)
      await pass(k, ahead, ahead)
      const newest = { verb: 'close', sentAt: k.clock.now() + 120_000 } as const
      expect(await k.send(k.packet(newest, users[7]!.devices[0]!))).toMatchObject({
        status: 'closed',
      })
      await pass(k, 2000)
    }
    k.upkeep.stop()
  })

  it('says in one line a minute what strangers sent, and nothing when they sent nothing', async () => {
    const k = upkeeping()
    for (let i = 0; i < 500; i++) await k.send({ ...k.packet(), datagram: new Uint8Array(i) })
    await pass(k, 180_000, 1000)
    expect(k.logged).toMatchObject([{ msg: 'packets since the start', length: 499, hint: 1 }])
    await k.send({ ...k.packet(), datagram: new Uint8Array(3) })
    k.upkeep.stop()
    expect(k.logged).toHaveLength(2)
  })

  it('forgets packets that are too old, and finished knocks', async () => {
    const k = upkeeping()
    const knockId = '00000000000000ab'
    await k.send(k.packet({ verb: 'close', knockId }))
    await pass(k, 200_000, 1000)
    expect(k.state.replay.size).toBe(0)
    expect(k.state.replay.floor('alice/laptop')).toBeGreaterThan(0)
    expect(Object.keys(asRead(k.state.knocks.record()))).toHaveLength(1)
    await pass(k, 500_000, 1000)
    expect(asRead(k.state.knocks.record())).toEqual({})
    k.upkeep.stop()
  })
})
