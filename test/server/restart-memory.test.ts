import { describe, expect, it } from 'vitest'
import { TAKE_UP_MS } from '../../server/src/core/judge.ts'
import { FAILURES_MAX } from '../../server/src/core/lockout.ts'
import { addr, asRead, device, FRESHNESS_MS, type Kit, kit, NOON, turns } from './kit.ts'
import { restart, services } from './restarting.ts'

describe('from a checkpoint alone, with no line behind it', () => {
  /** Another life that has nothing but the checkpoint of the one before. */
  const reborn = (before: Kit) => {
    const after = kit({ clock: before.clock })
    after.state.restore(asRead(before.state.checkpoint()))
    return after
  }
  const seen = async (reply: ReturnType<Kit['send']>) => {
    const answer = await reply
    return answer === 'silence' ? answer : `${answer.status} ${answer.reason}`
  }

  it('packets and codes stay used', async () => {
    const k = kit()
    const code = k.code()
    const packet = k.packet({ factor: code })
    expect(await seen(k.send(packet))).toBe('opened none')
    const later = reborn(k)
    expect(await seen(later.send(packet))).toBe('silence')
    expect(await seen(later.send(later.packet({ factor: code })))).toBe('refused factor-used')
  })

  it('a knock that is known is told what became of it', async () => {
    const k = kit()
    const asks = { factor: k.code(), knockId: 'abcdabcdabcdabcd' }
    expect(await seen(k.send(k.packet(asks)))).toBe('opened none')
    expect(await seen(reborn(k).send(k.packet(asks)))).toBe('opened none')
  })

  it('whoever is locked out stays so', async () => {
    const k = kit()
    const wrong = { factor: { kind: 'totp', code: '000000' } } as const
    for (let i = 0; i < FAILURES_MAX; i++) await k.send(k.packet(wrong))
    expect(await seen(reborn(k).send(k.packet({ factor: k.code() })))).toBe('refused locked')
  })

  it('an invitation that was taken up never goes stale', async () => {
    const k = kit()
    expect(await seen(k.send(k.packet({ factor: k.code() })))).toBe('opened none')
    k.clock.pass(2 * TAKE_UP_MS)
    const later = reborn(k)
    expect(await seen(later.send(later.packet({ factor: later.code() })))).toBe('opened none')
  })

  it('what was too old to be remembered passes no more, wherever the clock steps', async () => {
    const k = kit()
    const packet = k.packet({ factor: k.code() })
    await k.send(packet)
    k.clock.pass(10 * FRESHNESS_MS)
    k.state.forget(k.clock.now())
    k.clock.wall = NOON
    expect(await seen(reborn(k).send(packet))).toBe('silence')
  })
})

describe('a clock that was set back', () => {
  const HOUR = 3600_000

  it('between two lives makes no grant longer', async () => {
    const k = kit({ services })
    await k.send(k.packet({ lifetime: 600 }))
    k.clock.wall -= HOUR
    const later = await restart(k)
    expect(later.state.grants.list()[0]!.until).toBe(NOON - HOUR + 600_000)
    expect(later.hook.calls).toEqual(['open ssh 203.0.113.7'])
  })

  it('while the daemon ran makes no grant longer after the next start', async () => {
    const k = kit({ services })
    await k.send(k.packet({ lifetime: 600 }))
    k.clock.wall -= HOUR
    while (k.keyring.hints.prepare(k.clock.now(), 1000));
    await k.send(k.packet({ services: ['wiki'] }, device('alice', 'phone', 101)))
    k.clock.pass(599_000)
    const later = await restart(k)
    expect(later.state.grants.list()).toMatchObject([{ services: ['ssh'] }])
    k.clock.pass(1000)
    later.gatekeeper.endExpired()
    expect(later.state.grants.list()).toEqual([])
  })

  it('does not move the end that the daemon knows by its other clock', async () => {
    const k = kit({ services })
    await k.send(k.packet({ lifetime: 600 }))
    k.clock.pass(300_000)
    k.clock.wall -= HOUR
    while (k.keyring.hints.prepare(k.clock.now(), 1000));
    await k.send(k.packet({ services: ['wiki'] }, device('alice', 'phone', 101)))
    k.clock.pass(299_999)
    k.gatekeeper.endExpired()
    expect(k.state.grants.list()).toMatchObject([{ services: ['ssh'] }])
    k.clock.pass(1)
    k.gatekeeper.endExpired()
    expect(k.state.grants.list()).toEqual([])
  })

  it('is noticed by the next line: until then a grant gets at most its time anew', async () => {
    const k = kit({ services })
    await k.send(k.packet({ lifetime: 600 }))
    k.clock.pass(300_000)
    k.clock.wall -= HOUR
    const later = await restart(k)
    expect(later.state.grants.list()[0]!.until).toBeLessThanOrEqual(k.clock.now() + 600_000)
  })

  it('by seconds, as a clock that is being disciplined is, changes nothing', async () => {
    const k = kit({ services })
    await k.send(k.packet({ lifetime: 600 }))
    k.clock.wall -= 5000
    const later = await restart(k)
    expect(later.state.grants.list()[0]!.until).toBe(NOON + 600_000)
  })

  it('to before there were computers reopens nothing', async () => {
    const k = kit()
    const sent = k.packet({ factor: k.code() })
    await k.send(sent, '203.0.113.7')
    k.clock.wall = 0
    const later = await restart(k)
    expect(await later.send(sent)).toBe('silence')
    const old = later.packet({ factor: later.code() })
    expect(await later.send(old)).not.toMatchObject({ status: 'opened' })
    expect(later.state.grants.list()[0]!.until).toBeLessThanOrEqual(30_000)
  })
})

describe('the same after a start', () => {
  it('are the addresses of both families, with what joined', async () => {
    const k = kit({ services })
    const knockId = '00000000000000f1'
    await k.send(k.packet({ address: addr('2001:db8::7'), knockId }), '2001:db8::7')
    await k.send(k.packet({ address: addr('0.0.0.0'), knockId }))
    const later = await restart(k)
    expect(later.hook.calls).toEqual(['open ssh 2001:db8::7', 'open ssh 203.0.113.7'])
  })

  it('are grants that were folded into one', async () => {
    const k = kit({ services })
    await k.send(k.packet())
    k.clock.pass(1000)
    await k.send(k.packet())
    await turns()
    const later = await restart(k)
    expect(asRead(later.state.checkpoint())).toEqual(asRead(k.state.checkpoint()))
    expect(later.state.grants.list()).toHaveLength(1)
  })
})
