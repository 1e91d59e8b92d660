import type { Reply } from '@oneknock/shared'
import { describe, expect, it } from 'vitest'
import { GRACE_MAX_MS, GRACE_MIN_MS, POLL_MS } from '../../client/src/conversation.ts'
import { GIVE_UP_MS, PATIENCE_MS } from '../../client/src/timing.ts'
import { address, FakeWorld, replyTo } from './fake-world.ts'
import { both, joins, OWN_V4, OWN_V6, only4, place, start, V4, V6 } from './knocking.ts'

describe('two families', () => {
  it('knocks over both at once, each packet naming its own family’s address', async () => {
    const world = both(20)
    world.answer = joins
    const running = start(world)
    await world.clock.advance(20)
    expect(world.sent.map(({ at, knock }) => [at, knock.address])).toEqual([
      [0, OWN_V6],
      [0, OWN_V4],
    ])
    const [first, second] = world.sent.map(({ knock }) => ({ ...knock, address: undefined }))
    expect(first).toEqual(second)
    expect(running.result).toMatchObject({
      status: 'opened',
      admitted: [
        { address: OWN_V6, prefix: 128 },
        { address: OWN_V4, prefix: 128 },
      ],
    })
    expect(running.at).toBe(20)
  })

  it.each([
    [1, GRACE_MIN_MS],
    [60, 120],
    [1_000, GRACE_MAX_MS],
  ])(
    'with a round trip of %i ms waits %i ms for a family that is not there',
    async (roundTrip, grace) => {
      const world = new FakeWorld({ [V6]: place(OWN_V6), [V4]: place(OWN_V4, roundTrip) })
      world.answer = joins
      const running = start(world)
      await world.clock.advance(GIVE_UP_MS)
      expect(running.result).toMatchObject({ admitted: [{ address: OWN_V4 }] })
      expect(running.at).toBe(roundTrip + grace)
    },
  )

  it('does not mind a family without a route', async () => {
    const world = new FakeWorld({ [V6]: {}, [V4]: place(OWN_V4, 20) })
    world.answer = joins
    const running = start(world)
    await world.clock.advance(20)
    expect(running.result?.status).toBe('opened')
    expect(running.at).toBe(20)
    expect(running.events).toContainEqual({
      type: 'trouble',
      family: 6,
      server: V6,
      cause: 'ENETUNREACH',
    })
  })

  it('asks again when its packet came before the knock was accepted', async () => {
    const world = both(20)
    const [six, four] = [address(OWN_V6), address(OWN_V4)]
    world.answer = ({ at, knock }) => ({ address: at < 20 ? six : knock.address })
    const running = start(world)
    await world.clock.advance(40)
    expect(world.sent.map(({ at, knock }) => [at, knock.address])).toEqual([
      [0, six],
      [0, four],
      [20, four],
    ])
    expect(running.result).toMatchObject({ admitted: [{ address: six }, { address: four }] })
  })

  it('asks again once only, and is content with what there is', async () => {
    const world = both(20)
    world.answer = () => ({ address: address(OWN_V6) })
    const running = start(world)
    await world.clock.advance(40)
    expect(world.sent).toHaveLength(3)
    expect(running.result).toMatchObject({ admitted: [{ address: OWN_V6 }] })
  })

  it('does not take a copy of the first answer for the second', async () => {
    const world = both()
    const running = start(world)
    await world.clock.advance(0)
    const [six, four] = world.sent
    world.deliver(V6, replyTo(six!.datagram, { address: address(OWN_V6) }))
    const early = replyTo(four!.datagram, { address: address(OWN_V6) })
    world.deliver(V4, early)
    world.deliver(V4, early)
    world.deliver(V4, replyTo(world.sent[2]!.datagram, { address: address(OWN_V4) }))
    await world.clock.advance(0)
    expect(running.result).toMatchObject({
      admitted: [{ address: OWN_V6 }, { address: OWN_V4 }],
    })
  })

  it('is open if one family opened, whatever the other was told', async () => {
    const world = both(20)
    world.answer = sent =>
      sent.knock.address === OWN_V6 ? { status: 'refused', reason: 'address' } : joins(sent)
    const running = start(world)
    await world.clock.advance(20)
    expect(running.result).toMatchObject({ status: 'opened', admitted: [{ address: OWN_V4 }] })
  })

  it('has no way if neither family has', async () => {
    const world = new FakeWorld({ [V6]: {}, [V4]: {} })
    const running = start(world)
    await world.clock.advance(0)
    expect(running.result).toEqual({
      status: 'unreachable',
      servers: [V6, V4],
      cause: 'ENETUNREACH',
    })
  })
})

describe('approval', () => {
  const pendingUntil =
    (ms: number) =>
    (sent: FakeWorld['sent'][number]): Partial<Reply> =>
      sent.at < ms ? { status: 'pending', lifetime: 0, detail: 'phone' } : joins(sent)

  it('asks slowly under the same knock id until somebody says yes', async () => {
    const world = only4(20)
    world.answer = pendingUntil(3 * POLL_MS)
    const running = start(world)
    await world.clock.advance(4 * POLL_MS + 100)
    expect(world.sent.map(({ at }) => at)).toEqual([0, 2_020, 4_020, 6_020])
    expect(new Set(world.sent.map(({ knock }) => knock.knockId)).size).toBe(1)
    expect(running.result).toMatchObject({ status: 'opened' })
    expect(running.events.filter(({ type }) => type === 'reply')).toHaveLength(2)
  })

  it('opens for the other family too', async () => {
    const world = both(20)
    world.answer = pendingUntil(POLL_MS)
    const running = start(world)
    await world.clock.advance(POLL_MS + 100)
    expect(world.sent.map(({ at, knock }) => [at, knock.address])).toEqual([
      [0, OWN_V6],
      [0, OWN_V4],
      [2_020, OWN_V6],
      [2_040, OWN_V4],
    ])
    expect(running.result).toMatchObject({
      admitted: [{ address: OWN_V6 }, { address: OWN_V4 }],
    })
  })

  it('asks no more once it is answered, while the other family joins', async () => {
    const world = both(1_900)
    world.answer = pendingUntil(POLL_MS)
    const running = start(world)
    await world.clock.advance(4 * POLL_MS)
    const over6 = world.sent.filter(({ server, at }) => server === V6 && at > 1_900)
    expect(over6.map(({ at }) => at)).toEqual([3_900])
    expect(running.result?.status).toBe('opened')
  })

  it('hears a no', async () => {
    const world = only4(20)
    world.answer = ({ at }) =>
      at < POLL_MS ? { status: 'pending' } : { status: 'refused', reason: 'denied' }
    const running = start(world)
    await world.clock.advance(POLL_MS + 100)
    expect(running.result).toMatchObject({ status: 'refused', reason: 'denied' })
  })

  it.each([
    ['its own patience', undefined, PATIENCE_MS],
    ['the caller’s', 10_000, 10_000],
  ])('waits no longer than %s', async (_whose, patience, limit) => {
    const world = only4(20)
    world.answer = () => ({ status: 'pending', detail: 'phone' })
    const running = start(world, patience === undefined ? {} : { patience })
    await world.clock.advance(limit + 20)
    expect(running.result).toMatchObject({ status: 'pending', detail: 'phone' })
    expect(running.at).toBe(limit + 20)
    expect(world.clock.timers).toBe(0)
  })
})
