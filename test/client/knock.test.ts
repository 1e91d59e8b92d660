import { getEventListeners } from 'node:events'
import { PACKET_BYTES, REASONS, toHex } from '@oneknock/shared'
import { describe, expect, it } from 'vitest'
import { RETRANSMIT_AT_MS } from '../../client/src/conversation.ts'
import { type KnockOptions, knockWith, RESOLVE_MS } from '../../client/src/knock.ts'
import { GIVE_UP_MS } from '../../client/src/timing.ts'
import { address, KEY, replyTo } from './fake-world.ts'
import { both, joins, OWN_V4, only4, start, TOTP, V4, V6 } from './knocking.ts'

describe('one family', () => {
  it('sends one packet and ends with its reply', async () => {
    const world = only4(20)
    world.answer = joins
    const running = start(world, { services: ['ssh'], lifetime: 60 })
    await world.clock.advance(20)
    expect(running.result).toEqual({
      status: 'opened',
      admitted: [{ address: OWN_V4, prefix: 128 }],
      lifetime: 1800,
      until: world.clock.now() + 1_800_000,
      grant: '00000000000000aa',
      detail: 'ssh',
      clockOffsetMs: 10,
    })
    expect(world.sent).toHaveLength(1)
    expect(world.sent[0]!.datagram).toHaveLength(PACKET_BYTES)
    expect(world.sent[0]!.knock).toMatchObject({
      verb: 'open',
      factor: TOTP,
      services: ['ssh'],
      lifetime: 60,
      address: OWN_V4,
      prefix: 128,
    })
    expect(world.closed).toEqual([V4])
    expect(world.clock.timers).toBe(0)
  })

  it('retransmits on schedule and gives up', async () => {
    const world = only4()
    const running = start(world)
    await world.clock.advance(GIVE_UP_MS - 1)
    expect(world.sent.map(({ at }) => at)).toEqual([0, ...RETRANSMIT_AT_MS])
    expect(running.result).toBeUndefined()
    await world.clock.advance(1)
    expect(running.result).toEqual({ status: 'no-reply', servers: [V4], portClosed: false })
    expect(world.clock.timers).toBe(0)
  })

  it('makes every packet anew, under one knock id', async () => {
    const world = only4()
    start(world)
    await world.clock.advance(GIVE_UP_MS)
    const { sent } = world
    expect(new Set(sent.map(({ knock }) => knock.knockId)).size).toBe(1)
    expect(new Set(sent.map(({ datagram }) => toHex(datagram, 8, 32))).size).toBe(sent.length)
    expect(sent.map(({ knock }) => knock.sentAt - world.clock.epoch)).toEqual(
      sent.map(({ at }) => at),
    )
  })

  it('takes another knock id for another knock', async () => {
    const world = only4()
    start(world)
    start(world)
    await world.clock.advance(0)
    expect(world.sent[0]!.knock.knockId).not.toBe(world.sent[1]!.knock.knockId)
  })

  it('takes a late reply to an earlier packet', async () => {
    const world = only4()
    const running = start(world)
    await world.clock.advance(2_000)
    world.deliver(V4, replyTo(world.sent[0]!.datagram, {}))
    await world.clock.advance(0)
    expect(running.result?.status).toBe('opened')
  })

  it('gives every reason of a refusal, and says where it was seen', async () => {
    for (const reason of REASONS) {
      const world = only4(5)
      world.answer = () => ({ status: 'refused', reason, lifetime: 0, detail: 'x' })
      const running = start(world)
      await world.clock.advance(5)
      expect(running.result).toMatchObject({ status: 'refused', reason, source: OWN_V4 })
    }
  })

  it('closes without a code', async () => {
    const world = only4(5)
    world.answer = () => ({ status: 'closed', lifetime: 0 })
    const running = start(world, { verb: 'close', factor: { kind: 'none', code: '' } })
    await world.clock.advance(5)
    expect(running.result).toMatchObject({ status: 'closed', detail: 'ssh' })
    expect(world.sent[0]!.knock).toMatchObject({ verb: 'close', factor: { kind: 'none' } })
  })

  it('measures the clocks from the middle of the way', async () => {
    const world = only4(40)
    world.answer = ({ knock }) => ({ serverMs: knock.sentAt + 20 + 95_000 })
    const running = start(world)
    await world.clock.advance(40)
    expect(running.result).toMatchObject({ clockOffsetMs: 95_000 })
    expect(running.events.filter(({ type }) => type === 'clock')).toEqual([
      { type: 'clock', offsetMs: 95_000 },
    ])
  })
})

describe('what a knock does not take for a reply', () => {
  const forgeries: Readonly<Record<string, (datagram: Uint8Array) => Uint8Array>> = {
    'one bit off': datagram => flip(replyTo(datagram, {}), 40),
    'a reply to another packet': datagram => replyTo(flip(datagram, 250), {}),
    'its own packet sent back': datagram => datagram,
    'half a reply': datagram => replyTo(datagram, {}).slice(0, 64),
    nothing: () => new Uint8Array(),
    noise: () => new Uint8Array(128).fill(7),
  }
  for (const [name, forge] of Object.entries(forgeries)) {
    it(name, async () => {
      const world = only4()
      const running = start(world)
      await world.clock.advance(0)
      world.deliver(V4, forge(world.sent[0]!.datagram))
      await world.clock.advance(GIVE_UP_MS)
      expect(running.result?.status).toBe('no-reply')
      expect(running.events.some(({ type }) => type === 'reply')).toBe(false)
    })
  }
  const flip = (bytes: Uint8Array, at: number) =>
    bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))
})

describe('trouble', () => {
  it('goes on, since the next packet may get through', async () => {
    const world = only4(20)
    world.answer = sent => (sent.at > 0 ? joins(sent) : undefined)
    const running = start(world)
    await world.clock.advance(1)
    world.trouble(V4, 'ECONNREFUSED')
    await world.clock.advance(400)
    expect(running.result?.status).toBe('opened')
  })

  it.each([
    ['ECONNREFUSED', { status: 'no-reply', servers: [V4], portClosed: true }],
    ['EPERM', { status: 'unreachable', servers: [V4], cause: 'EPERM' }],
  ])('in the end says what it was: %s', async (cause, expected) => {
    const world = only4()
    const running = start(world)
    await world.clock.advance(GIVE_UP_MS - 1)
    world.trouble(V4, cause)
    await world.clock.advance(1)
    expect(running.result).toEqual(expected)
  })

  it('that is over does not count', async () => {
    const world = only4()
    const running = start(world)
    await world.clock.advance(1)
    world.trouble(V4, 'ECONNREFUSED')
    await world.clock.advance(GIVE_UP_MS)
    expect(running.result).toEqual({ status: 'no-reply', servers: [V4], portClosed: false })
  })

  it('is silence if one family may have got through', async () => {
    const world = both()
    const running = start(world)
    await world.clock.advance(GIVE_UP_MS - 1)
    world.trouble(V4, 'ENETUNREACH')
    await world.clock.advance(1)
    expect(running.result).toEqual({ status: 'no-reply', servers: [V6, V4], portClosed: false })
  })

  it('of a name is a result', async () => {
    const world = only4()
    world.resolving = Promise.resolve({ ok: false, error: 'ENOTFOUND' })
    const running = start(world)
    await world.clock.advance(0)
    expect(running.result).toEqual({
      status: 'unresolved',
      host: 'gate.example.com',
      cause: 'ENOTFOUND',
    })
  })

  it('of a resolver that never answers too', async () => {
    const world = only4()
    world.resolving = new Promise(() => {})
    const running = start(world)
    await world.clock.advance(RESOLVE_MS)
    expect(running.result).toMatchObject({ status: 'unresolved', cause: 'ETIMEDOUT' })
  })
})

describe('the caller', () => {
  it('can end it while it waits, and nothing goes out any more', async () => {
    const world = only4()
    const caller = new AbortController()
    const running = start(world, { signal: caller.signal })
    await world.clock.advance(500)
    caller.abort()
    await world.clock.advance(GIVE_UP_MS)
    expect(running.result).toEqual({ status: 'aborted' })
    expect(world.sent).toHaveLength(2)
    expect(world.closed).toEqual([V4])
    expect(world.clock.timers).toBe(0)
  })

  it('can end it at the last moment', async () => {
    const world = only4()
    const caller = new AbortController()
    const running = start(world, {
      signal: caller.signal,
      on: ({ type }) => type === 'route' && caller.abort(),
    })
    await world.clock.advance(0)
    expect(running.result).toEqual({ status: 'aborted' })
    expect(world.sent).toEqual([])
    expect(world.closed).toEqual([V4])
  })

  it('is let go of when the knock has ended', async () => {
    const world = only4(20)
    world.answer = joins
    const caller = new AbortController()
    const running = start(world, { signal: caller.signal })
    await world.clock.advance(20)
    expect(running.result?.status).toBe('opened')
    expect(getEventListeners(caller.signal, 'abort')).toEqual([])
  })

  it('can end it while the name is being resolved, or before', async () => {
    const world = only4()
    world.resolving = new Promise(() => {})
    const caller = new AbortController()
    const running = start(world, { signal: caller.signal })
    await world.clock.advance(10)
    caller.abort()
    const late = start(world, { signal: caller.signal })
    await world.clock.advance(0)
    expect(running.result).toEqual({ status: 'aborted' })
    expect(late.result).toEqual({ status: 'aborted' })
    expect(world.sent).toHaveLength(0)
    expect(world.clock.timers).toBe(0)
  })

  it.each<[string, KnockOptions]>([
    ['services', { services: ['No Such'] }],
    ['services-length', { services: Array.from({ length: 20 }, (_, i) => `service-${i}`) }],
    ['lifetime', { lifetime: -1 }],
    ['factor-length', { factor: { kind: 'recovery', code: 'x'.repeat(49) } }],
    ['prefix', { address: { address: address(OWN_V4), prefix: 24 } }],
  ])('is told which part no packet can hold: %s', async (field, options) => {
    const world = only4()
    const running = start(world, options)
    await world.clock.advance(0)
    expect(running.result).toEqual({ status: 'invalid', field })
    expect(world.sent).toHaveLength(0)
  })

  it.each([
    ['key', { host: 'h', port: 1, key: KEY.slice(1) }],
    ['port', { host: 'h', port: 0, key: KEY }],
    ['port', { host: 'h', port: 65536, key: KEY }],
  ])('is told of a %s that is none', async (field, target) => {
    expect(await knockWith(only4(), target, {})).toEqual({ status: 'invalid', field })
  })

  it('hears what happens on the way', async () => {
    const world = only4(20)
    world.answer = joins
    const running = start(world)
    await world.clock.advance(20)
    expect(running.events).toEqual([
      { type: 'resolving', host: 'gate.example.com' },
      {
        type: 'route',
        family: 4,
        server: V4,
        named: { address: OWN_V4, prefix: 128 },
        own: OWN_V4,
      },
      { type: 'sent', family: 4, attempt: 1 },
      { type: 'clock', offsetMs: 10 },
      { type: 'reply', family: 4, status: 'opened', reason: 'none', detail: 'ssh' },
    ])
  })
})
