import { describe, expect, it } from 'vitest'
import { type Opening, openingKey } from '../../server/src/core/openings.ts'
import { HookError } from '../../server/src/hooks/hook.ts'
import {
  addr,
  asRead,
  barrier,
  device,
  type Kit,
  kit,
  network,
  SECRET,
  turns,
  until,
  user,
} from './kit.ts'
import { forgetful, restart, services } from './restarting.ts'

const whys = (k: Kit) =>
  k.lines.flatMap(({ event }) => (event.event === 'ended' ? [`${event.grant} ${event.why}`] : []))

describe('a start', () => {
  it('closes what ran out while nobody was there, and opens what has time left', async () => {
    const k = kit({ services })
    await k.send(k.packet({ services: ['ssh'], lifetime: 30 }))
    await k.send(k.packet({ services: ['wiki'], lifetime: 3600 }))
    k.clock.pass(60_000)
    const later = await restart(k)
    expect(later.hook.calls.sort()).toEqual(['close ssh 203.0.113.7', 'open wiki 203.0.113.7'])
    await until(
      () => whys(later),
      ended => ended.length === 1,
    )
  })

  it('does not bring back what an administrator ended, though the hooks had not closed yet', async () => {
    const k = kit({ services, hook: forgetful() })
    await k.send(k.packet())
    k.hook.before = () => new Promise(() => {})
    void k.gatekeeper.end(k.state.grants.list()[0]!.id, 'administrator')
    await turns()
    const later = await restart(k)
    expect(later.hook.calls).toEqual(['close ssh 203.0.113.7', 'cut ssh 203.0.113.7'])
    expect(later.state.grants.list()).toEqual([])
  })

  it.each([
    ['removed', []],
    ['locked', [user('alice', 1, { locked: true })]],
    ['without that device', [user('alice', 1, { devices: [device('alice', 'phone', 101)] })]],
    ['without that key', [user('alice', 1, { devices: [device('alice', 'laptop', 77)] })]],
    ['without that service', [user('alice', 1, { services: ['wiki'] })]],
  ])('cuts the connections of whoever was %s meanwhile', async (_, users) => {
    const k = kit({ services })
    await k.send(k.packet())
    const later = await restart(k, { users })
    expect(later.hook.calls).toEqual(['close ssh 203.0.113.7', 'cut ssh 203.0.113.7'])
    await until(
      () => whys(later),
      ended => ended.length === 1,
    )
    expect(whys(later)[0]).toMatch(/removed/)
  })

  it.each([
    ['ends', 'removed and added again', { totp: { id: 'another', secret: SECRET } }],
    ['keeps', 'edited otherwise', { services: ['wiki', 'ssh'] }],
  ])('%s a grant of a door without keys whose owner was %s', async (what, _, changes) => {
    const k = kit({ services })
    const claim = { door: 'http', user: 'alice', services: ['ssh'], lifetime: 0 }
    await k.gatekeeper.judge({ ...claim, factor: k.code(), source: addr('203.0.113.7') })
    expect(await k.open()).toEqual(['ssh 203.0.113.7'])
    const later = await restart(k, { users: [user('alice', 1, changes)] })
    expect(later.hook.calls).toEqual(
      what === 'keeps'
        ? ['open ssh 203.0.113.7']
        : ['close ssh 203.0.113.7', 'cut ssh 203.0.113.7'],
    )
  })

  it('leaves a grant what of it is still allowed', async () => {
    const k = kit({ services })
    await k.send(k.packet({ services: ['ssh', 'wiki'] }))
    const later = await restart(k, { users: [user('alice', 1, { services: ['wiki'] })] })
    expect(later.hook.calls).toEqual([
      'open wiki 203.0.113.7',
      'close ssh 203.0.113.7',
      'cut ssh 203.0.113.7',
    ])
    expect(later.state.grants.list()).toMatchObject([{ services: ['wiki'] }])
    await until(
      () => whys(later),
      ended => ended.length === 1,
    )
    const again = await restart(later, { users: [user('alice', 1, { services: ['wiki'] })] })
    expect(again.hook.calls).toEqual(['open wiki 203.0.113.7'])
  })

  it('says why a grant ended whose closing a crash interrupted', async () => {
    const k = kit({ services })
    await k.send(k.packet())
    k.clock.pass(1)
    k.hook.before = event => (event === 'close' ? new Promise(() => {}) : undefined)
    void k.send(k.packet({ verb: 'close' }))
    await turns()
    const later = await restart(k)
    expect(later.hook.calls).toEqual(['close ssh 203.0.113.7'])
    await until(
      () => whys(later),
      ended => ended.length === 1,
    )
    expect(whys(later)[0]).toMatch(/closed/)
  })

  it('goes on closing from a checkpoint, too', async () => {
    const k = kit({ services })
    await k.send(k.packet())
    k.hook.before = event => (event === 'close' ? new Promise(() => {}) : undefined)
    k.clock.pass(30_000)
    k.gatekeeper.endExpired()
    const checkpoint = asRead(k.state.checkpoint())
    const hook = forgetful(k.clock)
    const later = kit({ services, clock: k.clock, hook })
    later.state.restore(checkpoint)
    await later.gatekeeper.resume([hook])
    expect(hook.calls).toEqual(['close ssh 203.0.113.7'])
  })

  it('opens only what the hooks have not started with, and knows who holds the rest', async () => {
    const k = kit({ services })
    await k.send(k.packet({ services: ['ssh'], lifetime: 30 }))
    await k.send(k.packet({ services: ['ssh'], lifetime: 3600 }), '203.0.113.8')
    await k.send(k.packet({ services: ['wiki'], lifetime: 3600 }))
    k.clock.pass(60_000)
    const hook = forgetful(k.clock)
    const later = kit({ services, clock: k.clock, ledger: k.lines, hook })
    await later.gatekeeper.resume([hook], async wanted => {
      expect(wanted.map(openingKey)).toEqual(['ssh 203.0.113.8', 'wiki 203.0.113.7'])
      expect(hook.calls).toEqual([])
      const [ssh, wiki] = wanted as [Opening, Opening]
      const stray = { ...ssh, network: network('203.0.113.9') }
      return new Map([[hook, [ssh, { ...wiki, until: wiki.until + 5_000 }, stray]]])
    })
    expect(hook.calls.sort()).toEqual([
      'close ssh 203.0.113.7',
      'close ssh 203.0.113.9',
      'open wiki 203.0.113.7',
    ])
    hook.calls.length = 0
    k.clock.pass(3600_000)
    later.gatekeeper.endExpired()
    await until(
      () => whys(later),
      ended => ended.length === 3,
    )
    expect(hook.calls.sort()).toEqual(['close ssh 203.0.113.8', 'close wiki 203.0.113.7'])
  })

  it('opens nothing before the hooks have started, not what is left of a grant either', async () => {
    const k = kit({ services })
    await k.send(k.packet({ services: ['ssh', 'wiki'] }))
    const hook = forgetful(k.clock)
    const users = [user('alice', 1, { services: ['wiki'] })]
    const later = kit({ services, clock: k.clock, ledger: k.lines, hook, users })
    await later.gatekeeper.resume([hook], async wanted => {
      await turns()
      expect(wanted.map(openingKey)).toEqual(['wiki 203.0.113.7'])
      expect(hook.calls).toEqual([])
      return new Map()
    })
    expect(hook.calls).toEqual([
      'open wiki 203.0.113.7',
      'close ssh 203.0.113.7',
      'cut ssh 203.0.113.7',
    ])
  })

  it('folds what was renewed, though its hooks have started with it', async () => {
    const k = kit({ services })
    await k.send(k.packet({ lifetime: 60 }))
    await k.send(k.packet({ lifetime: 3600 }))
    // The crash came before that line.
    const ledger = k.lines.filter(({ event }) => event.event !== 'ended')
    const hook = forgetful(k.clock)
    const later = kit({ services, clock: k.clock, ledger, hook })
    expect(later.state.grants.list()).toHaveLength(2)
    await later.gatekeeper.resume([hook], async wanted => new Map([[hook, wanted]]))
    expect(later.state.grants.list()).toHaveLength(1)
    expect(hook.calls).toEqual([])
  })

  it('is not kept waiting by a door that cannot be closed', async () => {
    const k = kit({ services })
    await k.send(k.packet())
    k.clock.pass(60_000)
    const hook = forgetful(k.clock)
    hook.before = () => {
      throw new HookError('memory', 'failed', 'told to fail')
    }
    const later = await restart(k, { hook })
    expect(whys(later)).toEqual([])
    hook.before = () => {}
    await until(
      () => whys(later),
      ended => ended.length === 1,
    )
  })

  it('refuses nothing that came in between: a knock in flight at a crash may come again', async () => {
    const k = kit({ services })
    const disk = barrier()
    k.disk.gate = disk.wait
    const sent = k.packet()
    void k.send(sent)
    const later = await restart(k)
    expect(await later.send(sent)).toMatchObject({ status: 'opened' })
    expect(await later.send(sent)).toBe('silence')
  })
})
