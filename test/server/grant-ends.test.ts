import type { Reply } from '@oneknock/shared'
import { describe, expect, it } from 'vitest'
import { HookError } from '../../server/src/hooks/hook.ts'
import { addr, asRead, device, kit, service, until, user } from './kit.ts'

const seen = (reply: Reply | 'silence') =>
  reply === 'silence' ? reply : `${reply.status} ${reply.reason}`

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
    copied.restore(asRead(k.state.checkpoint()))
    expect(asRead(copied.checkpoint())).toEqual(asRead(k.state.checkpoint()))
    expect(asRead(read.checkpoint())).toEqual(asRead(k.state.checkpoint()))
  })
})
