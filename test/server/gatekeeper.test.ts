import { ANY_IPV4, type Knock, type Reply } from '@oneknock/shared'
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

describe('every reason to refuse', () => {
  const refusal = async (
    options: Parameters<typeof kit>[0],
    changes: (k: ReturnType<typeof kit>) => Partial<Knock>,
    source?: string,
  ) => {
    const k = kit(options)
    const reply = await k.send(k.packet(changes(k)), source)
    expect(await k.open()).toEqual([])
    return seen(reply)
  }

  it('wrong factor', async () => {
    const wrong = { kind: 'totp', code: '000000' } as const
    expect(await refusal({}, () => ({ factor: wrong }))).toBe('refused wrong-factor')
    expect(await refusal({}, () => ({}))).toBe('refused wrong-factor')
    const yubikey = { kind: 'yubikey', code: 'c'.repeat(44) } as const
    expect(await refusal({}, () => ({ factor: yubikey }))).toBe('refused wrong-factor')
  })

  it('factor already used, by another device too', async () => {
    const k = kit()
    const factor = k.code()
    expect(seen(await k.send(k.packet({ factor })))).toBe('opened none')
    expect(seen(await k.send(k.packet({ factor })))).toBe('refused factor-used')
    const phone = device('alice', 'phone', 101)
    expect(seen(await k.send(k.packet({ factor }, phone)))).toBe('refused factor-used')
    expect(seen(await k.send(k.packet({ factor: k.code(-1) })))).toBe('refused factor-used')
    expect(seen(await k.send(k.packet({ factor: k.code(1) })))).toBe('opened none')
  })

  it('two packets with one code in one tick: one opens', async () => {
    const k = kit()
    const factor = k.code()
    const answers = await Promise.all([k.send(k.packet({ factor })), k.send(k.packet({ factor }))])
    expect(answers.map(seen).sort()).toEqual(['opened none', 'refused factor-used'])
  })

  it('locked: after wrong codes, for that device alone, and the code is not looked at', async () => {
    const k = kit()
    for (let i = 0; i < 5; i++) {
      await k.send(k.packet({ factor: { kind: 'totp', code: '000000' } }))
    }
    const locked = await k.send(k.packet({ factor: k.code() }))
    expect(locked).toMatchObject({ reason: 'locked', detail: 'until 2026-11-21T12:15Z' })
    const phone = device('alice', 'phone', 101)
    expect(seen(await k.send(k.packet({ factor: k.code() }, phone)))).toBe('opened none')
    k.clock.pass(15 * 60_000)
    while (k.keyring.hints.prepare(k.clock.now(), 1000));
    expect(seen(await k.send(k.packet({ factor: k.code() })))).toBe('opened none')
  })

  it('locked: by the administrator, or since nobody took the invitation up within a day', async () => {
    const users = [user('alice', 1, { locked: true })]
    expect(await refusal({ users }, k => ({ factor: k.code() }))).toBe('refused locked')
    const old = { ...device('alice', 'laptop', 1), enrolledAt: NOON - 25 * 3600_000 }
    const stale = [user('alice', 1, { devices: [old] })]
    expect(await refusal({ users: stale }, k => ({ factor: k.code() }))).toBe('refused locked')
  })

  it('a device that knocked in time stays good', async () => {
    const k = kit()
    expect(seen(await k.send(k.packet({ factor: k.code() })))).toBe('opened none')
    k.clock.pass(48 * 3600_000)
    while (k.keyring.hints.prepare(k.clock.now(), 1000));
    expect(seen(await k.send(k.packet({ factor: k.code() })))).toBe('opened none')
  })

  it('service unknown or not allowed, which look the same', async () => {
    const services = [service('ssh'), service('wiki'), service('secret')]
    const k = kit({ services })
    const unknown = await k.send(k.packet({ factor: k.code(), services: ['nosuch'] }))
    expect(unknown).toMatchObject({ reason: 'service', detail: 'nosuch' })
    const barred = await k.send(k.packet({ factor: k.code(1), services: ['ssh', 'secret'] }))
    expect(barred).toMatchObject({ reason: 'service', detail: 'secret' })
    expect(await k.open()).toEqual([])
  })

  it.each([
    ['not its source', { address: addr('203.0.113.8') }, '203.0.113.7'],
    ['loopback', {}, '127.0.0.1'],
    ['multicast', { address: addr('ff02::1') }, '203.0.113.7'],
    ['link-local', { address: addr('fe80::1') }, '203.0.113.7'],
    ['unspecified in its family', { address: addr('0.0.0.1') }, '203.0.113.7'],
    ['a prefix too wide', { address: addr('203.0.113.7'), prefix: 120 }, '203.0.113.7'],
    ['IPv4 asked from IPv6', { address: ANY_IPV4 }, '2001:db8::7'],
    ['an IPv6 length for an IPv4 source', { prefix: 64 }, '203.0.113.7'],
  ])('address not allowed: %s', async (_, changes, source) => {
    expect(await refusal({}, k => ({ factor: k.code(), ...changes }), source)).toBe(
      'refused address',
    )
  })

  it('address not allowed: the host itself, unless behind a proxy', async () => {
    const host = { isOwn: () => true }
    expect(await refusal({ host }, k => ({ factor: k.code() }))).toBe('refused address')
    const k = kit({ host, services: [service('ssh', { behindProxy: true })] })
    expect(seen(await k.send(k.packet({ factor: k.code() })))).toBe('opened none')
  })

  it('address not allowed: only explicit ones where the service says so', async () => {
    const services = [service('ssh', { requireAddress: true })]
    expect(await refusal({ services }, k => ({ factor: k.code() }))).toBe('refused address')
    const k = kit({ services })
    const explicit = k.packet({ factor: k.code(), address: addr('203.0.113.7') })
    expect(seen(await k.send(explicit))).toBe('opened none')
  })

  it('other addresses, for a user who may', async () => {
    const k = kit({ users: [user('alice', 1, { otherAddress: true })] })
    const reply = await k.send(k.packet({ factor: k.code(), address: addr('198.51.100.9') }))
    expect(reply).toMatchObject({ status: 'opened', address: '198.51.100.9' })
  })

  it('a prefix that the policy allows, with its host bits masked', async () => {
    const k = kit({ services: [service('ssh', { maxPrefix: { ipv4: 120, ipv6: 64 } })] })
    const reply = await k.send(k.packet({ factor: k.code(), prefix: 120 }))
    expect(reply).toMatchObject({ status: 'opened', address: '203.0.113.0', prefix: 120 })
  })

  it('hook failed: what had opened is rolled back, and a retransmission hears the same', async () => {
    const k = kit()
    k.hook.before = (event, { service }) => {
      if (event === 'open' && service === 'wiki') {
        throw new HookError('memory', 'failed', 'told to fail')
      }
    }
    const ask = { factor: k.code(), services: ['ssh', 'wiki'], knockId: '00000000000000aa' }
    const reply = await k.send(k.packet(ask))
    expect(reply).toMatchObject({ status: 'refused', reason: 'hook-failed', detail: 'wiki' })
    await until(k.open, open => open.length === 0)
    k.clock.pass(10)
    expect(seen(await k.send(k.packet(ask)))).toBe('refused hook-failed')
    expect(k.state.grants.list()).toEqual([])
  })

  it('state unavailable: nothing opens, and the code stays burnt', async () => {
    const k = kit()
    k.disk.works = false
    const factor = k.code()
    expect(seen(await k.send(k.packet({ factor })))).toBe('refused state-unavailable')
    expect(await k.open()).toEqual([])
    k.disk.works = true
    expect(seen(await k.send(k.packet({ factor })))).toBe('refused factor-used')
    expect(seen(await k.send(k.packet({ factor: k.code(1) })))).toBe('opened none')
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

describe('ends', () => {
  it('on time, by the wall clock or the one that never steps', async () => {
    for (const clockName of ['wall', 'mono'] as const) {
      const k = kit()
      await k.send(k.packet({ factor: k.code() }))
      k.clock[clockName] += 30_000
      k.gatekeeper.endExpired()
      const last = await until(
        () => k.lines.at(-1)!.event,
        ({ event }) => event === 'ended',
      )
      expect(last).toMatchObject({ why: 'expired' })
      expect(await k.open()).toEqual([])
    }
  })

  it('a close ends earlier grants of the same device, for the named services only', async () => {
    const k = kit()
    await k.send(k.packet({ factor: k.code(), services: ['ssh', 'wiki'] }))
    const phone = device('alice', 'phone', 101)
    await k.send(k.packet({ factor: k.code(1), services: ['ssh'] }, phone), '198.51.100.1')
    k.clock.pass(1)
    const reply = await k.send(k.packet({ verb: 'close', services: ['ssh'] }))
    expect(reply).toMatchObject({ status: 'closed', detail: 'ssh' })
    await until(k.open, open => open.length === 2)
    expect(await k.open()).toEqual(['wiki 203.0.113.7', 'ssh 198.51.100.1'])
    k.clock.pass(1)
    await k.send(k.packet({ verb: 'close', services: [] }))
    await until(k.open, open => open.length === 1)
  })

  it('a close that was sent before the open ends nothing', async () => {
    const k = kit()
    const early = k.packet({ verb: 'close' })
    k.clock.pass(1)
    await k.send(k.packet({ factor: k.code() }))
    expect(await k.send(early)).toMatchObject({ status: 'closed', detail: '' })
    expect(await k.open()).toEqual(['ssh 203.0.113.7'])
  })

  it('renewing extends: the earlier grant is folded into the new one', async () => {
    const k = kit()
    await k.send(k.packet({ factor: k.code() }))
    k.clock.pass(29_000)
    await k.send(k.packet({ factor: k.code(1) }))
    await until(
      () => k.state.grants.list().length,
      grants => grants === 1,
    )
    k.clock.pass(2000)
    k.gatekeeper.endExpired()
    expect(await k.open()).toEqual(['ssh 203.0.113.7'])
  })

  it('two people behind one address: one closing takes nothing from the other', async () => {
    const bob = user('bob', 2, { totp: { id: 'bobs', secret: new Uint8Array(20).fill(5) } })
    const services = [service('ssh', { factor: 'none' }), service('wiki')]
    const k = kit({ services, users: [user('alice', 1), bob] })
    await k.send(k.packet())
    await k.send(k.packet({}, bob.devices[0]))
    k.clock.pass(1)
    await k.send(k.packet({ verb: 'close' }))
    await until(
      () => k.lines.length,
      lines => lines === 4,
    )
    expect(await k.open()).toEqual(['ssh 203.0.113.7'])
  })

  it('a close that fails is tried until it succeeds', async () => {
    const k = kit()
    await k.send(k.packet({ factor: k.code(), lifetime: 60 }))
    let failures = 2
    k.hook.before = event => {
      if (event === 'close' && failures-- > 0) throw new HookError('memory', 'failed', 'no')
    }
    k.clock.pass(1)
    await k.send(k.packet({ verb: 'close' }))
    await until(k.open, open => open.length === 0)
    expect(k.faults).toHaveLength(2)
  })

  it('a slow hook for one keeps nobody else waiting', async () => {
    const k = kit({ services: [service('ssh', { factor: 'none' })] })
    let release = () => {}
    k.hook.before = (_, { network }) =>
      network.address === '203.0.113.7' ? new Promise(resolve => (release = resolve)) : undefined
    const slow = k.send(k.packet())
    expect(seen(await k.send(k.packet(), '198.51.100.1'))).toBe('opened none')
    release()
    expect(seen(await slow)).toBe('opened none')
  })

  it('a hook that hangs is refused at its limit', async () => {
    const k = kit({ hookLimitMs: 20 })
    k.hook.before = event => (event === 'open' ? new Promise(() => {}) : undefined)
    expect(seen(await k.send(k.packet({ factor: k.code() })))).toBe('refused hook-failed')
  })
})

describe('a start after a crash', () => {
  it('knows replays, codes, outcomes and grants from the lines alone', async () => {
    const k = kit()
    const ask = { factor: k.code(), knockId: '00000000000000d1' }
    const good = k.packet(ask)
    await k.send(good)
    k.clock.pass(4000)

    const later = kit({ clock: k.clock, ledger: k.lines })
    await later.gatekeeper.resume([later.hook])
    expect(await later.open()).toEqual(['ssh 203.0.113.7'])
    expect(await later.send(good)).toBe('silence')
    const again = await later.send(later.packet(ask))
    expect(again).toMatchObject({ status: 'opened', lifetime: 26 })
    expect(seen(await later.send(later.packet({ factor: ask.factor })))).toBe('refused factor-used')
  })

  it('closes what ended meanwhile, and what no grant explains', async () => {
    const k = kit()
    await k.send(k.packet({ factor: k.code() }))
    k.clock.pass(60_000)
    const later = kit({ clock: k.clock, ledger: k.lines })
    const stray = { service: 'wiki', network: { address: addr('198.51.100.66'), prefix: 128 } }
    await later.hook.open({ ...stray, until: k.clock.now() + 60_000 })
    const closed: string[] = []
    later.hook.before = (event, { service }) => {
      if (event === 'close') closed.push(service)
    }
    await later.gatekeeper.resume([later.hook])
    expect(closed.sort()).toEqual(['ssh', 'wiki'])
    expect(await later.open()).toEqual([])
    expect(later.lines.at(-1)!.event).toMatchObject({ event: 'ended', why: 'expired' })
  })

  it('remembers the same from a checkpoint as from the lines', async () => {
    const k = kit()
    await k.send(k.packet({ factor: k.code() }))
    await k.send(k.packet({ factor: { kind: 'totp', code: '000000' } }))
    const read = kit({ clock: k.clock, ledger: k.lines }).state
    const copied = kit({ clock: k.clock }).state
    copied.restore(JSON.parse(JSON.stringify(k.state.checkpoint())))
    expect(copied.checkpoint()).toEqual(k.state.checkpoint())
    expect(read.checkpoint()).toEqual(k.state.checkpoint())
  })
})
