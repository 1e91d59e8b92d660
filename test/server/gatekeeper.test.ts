import { ANY_IPV4, NONCE_BYTES, type Reply, toHex } from '@oneknock/shared'
import { describe, expect, it } from 'vitest'
import { hashRecoveryCode } from '../../server/src/core/recovery.ts'
import { HookError } from '../../server/src/hooks/hook.ts'
import { addr, device, kit, NOON, service, until, user } from './kit.ts'

const seen = (reply: Reply | 'silence') =>
  reply === 'silence' ? reply : `${reply.status} ${reply.reason}`

describe('a good knock', () => {
  it('opens the service for the source, and answers with what it opened', async () => {
    const k = kit()
    const reply = await k.send(k.packet({ factor: k.code() }))
    expect(reply).toMatchObject({
      status: 'opened',
      reason: 'none',
      address: '203.0.113.7',
      prefix: 128,
      lifetime: 30,
      serverMs: NOON,
      detail: 'ssh',
    })
    expect(await k.open()).toEqual(['ssh 203.0.113.7'])
  })

  it('is on record before anything opens or is answered', async () => {
    const k = kit()
    let allow = () => {}
    k.disk.gate = new Promise(resolve => (allow = resolve))
    const answer = k.send(k.packet({ factor: k.code() }))
    await new Promise(resolve => setImmediate(resolve))
    expect(await k.open()).toEqual([])
    allow()
    expect(seen(await answer)).toBe('opened none')
    expect(k.lines.map(({ event }) => event.event)).toEqual(['knock'])
  })

  it('opens all that the user may, if it names nothing, for the shortest of their times', async () => {
    const k = kit()
    const reply = await k.send(k.packet({ factor: k.code(), services: [] }))
    expect(reply).toMatchObject({ lifetime: 30, detail: 'ssh wiki' })
    expect(await k.open()).toEqual(['ssh 203.0.113.7', 'wiki 203.0.113.7'])
  })

  it('is answered under a nonce of its own each time: two under one would tell of each other', async () => {
    const k = kit()
    const nonces = new Set<string>()
    for (let packets = 0; packets < 20; packets++) {
      const { datagram } = k.packet({ knockId: `${packets % 3}`.padStart(16, '0') })
      const verdict = await k.gatekeeper.judge({ datagram, source: '203.0.113.7' })
      if (verdict.kind === 'answer') nonces.add(toHex(verdict.reply!.slice(0, NONCE_BYTES)))
    }
    expect(nonces.size).toBe(20)
  })

  it('gets the time it asks for, up to the cap', async () => {
    const k = kit()
    const asked = await k.send(k.packet({ factor: k.code(), lifetime: 120 }))
    expect(asked).toMatchObject({ lifetime: 120 })
    const capped = await k.send(k.packet({ factor: k.code(1), lifetime: 999_999 }))
    expect(capped).toMatchObject({ lifetime: 3600 })
  })

  it('needs no code for a service that says so', async () => {
    const k = kit({ services: [service('ssh', { factor: 'none' }), service('wiki')] })
    expect(seen(await k.send(k.packet()))).toBe('opened none')
    expect(seen(await k.send(k.packet({ services: ['ssh', 'wiki'] })))).toBe('refused wrong-factor')
  })

  it('opens with a recovery code, once', async () => {
    const salt = new Uint8Array(16).fill(9)
    const code = 'abcde-fghij-klmno-pqrst-uvwxy-z'
    const recovery = [
      { id: 'r0', salt, hash: hashRecoveryCode(salt, 'something else') },
      { id: 'r1', salt, hash: hashRecoveryCode(salt, code) },
    ]
    const k = kit({ users: [user('alice', 1, { recovery })] })
    const factor = { kind: 'recovery', code } as const
    expect(seen(await k.send(k.packet({ factor })))).toBe('opened none')
    expect(seen(await k.send(k.packet({ factor })))).toBe('refused factor-used')
  })
})

describe('silence', () => {
  it('meets a replay of the same bytes, whatever came of them', async () => {
    const k = kit()
    const good = k.packet({ factor: k.code() })
    expect(seen(await k.send(good))).toBe('opened none')
    expect(await k.send(good)).toBe('silence')
    const bad = k.packet({ factor: { kind: 'totp', code: '000000' } })
    expect(seen(await k.send(bad))).toBe('refused wrong-factor')
    expect(await k.send(bad)).toBe('silence')
    expect(k.counters.read().replay).toBe(2)
  })

  it('meets the second of two same packets in one tick', async () => {
    const k = kit()
    const good = k.packet({ factor: k.code() })
    const answers = await Promise.all([k.send(good), k.send(good)])
    expect(answers.map(seen)).toEqual(['opened none', 'silence'])
  })

  it('meets whoever sends faster than the bucket fills', async () => {
    const k = kit()
    const answers = []
    for (let i = 0; i < 21; i++) answers.push(await k.send(k.packet({ verb: 'close' })))
    expect(answers.filter(answer => answer === 'silence')).toHaveLength(1)
    k.clock.pass(1000)
    expect(seen(await k.send(k.packet({ verb: 'close' })))).toBe('closed none')
  })

  it('meets packets out of the window, and those below the floor after the clock stepped back', async () => {
    const k = kit()
    const early = k.packet({ factor: k.code() })
    expect(seen(await k.send(early))).toBe('opened none')
    const unsent = k.packet({ verb: 'close' })
    k.clock.pass(300_000)
    while (k.keyring.hints.prepare(k.clock.now(), 1000));
    expect(await k.send(unsent)).toBe('silence')
    k.state.forget(k.clock.now())
    expect(k.state.replay.size).toBe(0)
    k.clock.wall = NOON
    while (k.keyring.hints.prepare(k.clock.now(), 1000));
    expect(await k.send(early)).toBe('silence')
    expect(k.counters.read()).toMatchObject({ hint: 1, floor: 1 })
  })

  it('is the answer of a device that was removed', async () => {
    const k = kit()
    const late = k.packet({ factor: k.code() })
    k.setDirectory([user('alice', 1, { devices: [device('alice', 'phone', 101)] })])
    expect(await k.send(late)).toBe('silence')
  })
})

describe('several packets of one knock', () => {
  it('a retransmission is told the outcome, burns nothing, and is on record by its tag', async () => {
    const k = kit()
    const ask = { factor: k.code(), knockId: '00000000000000bb' }
    const first = await k.send(k.packet(ask))
    k.clock.pass(5000)
    const again = await k.send(k.packet(ask))
    expect(again).toMatchObject({ status: 'opened', lifetime: 25 })
    expect(first).toMatchObject({ grant: again !== 'silence' && again.grant })
    expect(k.lines.map(({ event }) => event.event)).toEqual(['knock', 'seen'])
  })

  it('a retransmission in flight waits for the same outcome', async () => {
    const k = kit()
    let allow = () => {}
    k.hook.before = () => new Promise(resolve => (allow = resolve))
    const ask = { factor: k.code(), knockId: '00000000000000bc' }
    const first = k.send(k.packet(ask))
    const second = k.send(k.packet({ ...ask, sentAt: NOON + 1 }))
    await until(
      () => k.lines.length,
      lines => lines > 0,
    )
    await new Promise(resolve => setImmediate(resolve))
    allow()
    expect((await Promise.all([first, second])).map(seen)).toEqual(['opened none', 'opened none'])
    expect(k.lines.filter(({ event }) => event.event === 'knock')).toHaveLength(1)
  })

  it('the other family joins the grant, and ends with it', async () => {
    const k = kit()
    const ask = { factor: k.code(), knockId: '00000000000000bd' }
    const six = await k.send(k.packet({ ...ask, address: addr('2001:db8::7') }), '2001:db8::7')
    k.clock.pass(20)
    const four = await k.send(k.packet({ ...ask, address: ANY_IPV4 }))
    expect(six).toMatchObject({ status: 'opened', address: '2001:db8::7' })
    expect(four).toMatchObject({ status: 'opened', address: '203.0.113.7' })
    expect(await k.open()).toEqual(['ssh 2001:db8::7', 'ssh 203.0.113.7'])
    expect(k.state.grants.list()).toHaveLength(1)
    k.clock.pass(30_000)
    k.gatekeeper.endExpired()
    await until(k.open, open => open.length === 0)
  })

  it('joins while the first packet is in flight, both ways round', async () => {
    const k = kit()
    const ask = { factor: k.code(), knockId: '00000000000000be' }
    const answers = await Promise.all([
      k.send(k.packet({ ...ask, address: ANY_IPV4 })),
      k.send(k.packet({ ...ask, address: addr('2001:db8::7') }), '2001:db8::7'),
      k.send(k.packet({ ...ask, address: addr('2001:db8::7'), sentAt: NOON + 1 }), '2001:db8::7'),
    ])
    expect(answers).toMatchObject([
      { status: 'opened', address: '203.0.113.7' },
      { status: 'opened', address: '2001:db8::7' },
      { status: 'opened', address: '2001:db8::7' },
    ])
  })

  it.each([
    ['plain ::', { address: addr('::') }, '203.0.113.7', 0],
    ['too late', { address: ANY_IPV4 }, '203.0.113.7', 10_001],
    ['another lifetime', { address: ANY_IPV4, lifetime: 5 }, '203.0.113.7', 0],
    ['a second address of one family', { address: addr('2001:db8::8') }, '2001:db8::8', 0],
  ])('does not join: %s', async (_, changes, source, wait) => {
    const k = kit()
    const ask = { factor: k.code(), knockId: '00000000000000bf' }
    await k.send(k.packet({ ...ask, address: addr('2001:db8::7') }), '2001:db8::7')
    k.clock.pass(wait)
    await k.send(k.packet({ ...ask, ...changes }), source)
    expect(await k.open()).toEqual(['ssh 2001:db8::7'])
  })

  it('an address that policy refuses is refused by itself; the grant stays', async () => {
    const k = kit()
    const ask = { factor: k.code(), knockId: '00000000000000c0' }
    await k.send(k.packet({ ...ask, address: addr('2001:db8::7') }), '2001:db8::7')
    const other = await k.send(k.packet({ ...ask, address: addr('203.0.113.9') }))
    expect(seen(other)).toBe('refused address')
    expect(await k.open()).toEqual(['ssh 2001:db8::7'])
  })

  it('a join whose hook fails leaves the first family open', async () => {
    const k = kit()
    const ask = { factor: k.code(), knockId: '00000000000000c1' }
    await k.send(k.packet({ ...ask, address: addr('2001:db8::7') }), '2001:db8::7')
    k.hook.before = event => {
      if (event === 'open') throw new HookError('memory', 'failed', 'told to fail')
    }
    const four = await k.send(k.packet({ ...ask, address: ANY_IPV4 }))
    expect(seen(four)).toBe('refused hook-failed')
    await until(k.open, open => open.length === 1)
    expect(k.state.grants.list()[0]!.networks).toHaveLength(1)
  })
})
