import { ANY_IPV4, type Knock, type Reply } from '@oneknock/shared'
import { describe, expect, it } from 'vitest'
import { HookError } from '../../server/src/hooks/hook.ts'
import { addr, device, kit, NOON, service, until, user } from './kit.ts'

const seen = (reply: Reply | 'silence') =>
  reply === 'silence' ? reply : `${reply.status} ${reply.reason}`

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

  it('locked: closes nothing either', async () => {
    const k = kit()
    await k.send(k.packet({ factor: k.code() }))
    for (let i = 0; i < 5; i++) {
      await k.send(k.packet({ factor: { kind: 'totp', code: '000000' } }))
    }
    k.clock.pass(1)
    expect(seen(await k.send(k.packet({ verb: 'close' })))).toBe('refused locked')
    expect(await k.open()).toEqual(['ssh 203.0.113.7'])
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

  it('state unavailable: a retransmission that cannot be recorded is not told what became of it', async () => {
    const k = kit()
    const ask = { factor: k.code(), knockId: '00000000000000ab' }
    expect(seen(await k.send(k.packet(ask)))).toBe('opened none')
    k.disk.works = false
    expect(seen(await k.send(k.packet(ask)))).toBe('refused state-unavailable')
    k.disk.works = true
    expect(seen(await k.send(k.packet(ask)))).toBe('opened none')
  })
})
