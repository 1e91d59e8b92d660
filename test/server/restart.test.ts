import { describe, expect, it } from 'vitest'
import { TAKE_UP_MS } from '../../server/src/core/judge.ts'
import { FAILURES_MAX } from '../../server/src/core/lockout.ts'
import { type Opening, openingKey } from '../../server/src/core/openings.ts'
import { HookError } from '../../server/src/hooks/hook.ts'
import { MemoryHook } from '../../server/src/hooks/memory.ts'
import {
  addr,
  asRead,
  barrier,
  device,
  FRESHNESS_MS,
  HandClock,
  type Kit,
  kit,
  NOON,
  network,
  SECRET,
  service,
  turns,
  until,
  user,
} from './kit.ts'

/** Remembers nothing over a restart, as a command that was run: only the ledger can tell what is open. */
class ForgetfulHook extends MemoryHook {
  readonly calls: string[] = []

  override async open(opening: Opening): Promise<void> {
    await super.open(opening)
    this.calls.push(`open ${opening.service} ${opening.network.address}`)
  }

  override async close(opening: Opening): Promise<void> {
    await super.close(opening)
    this.calls.push(`close ${opening.service} ${opening.network.address}`)
  }

  async cut({ service, network }: Opening): Promise<void> {
    this.calls.push(`cut ${service} ${network.address}`)
  }

  override async list(): Promise<readonly Opening[]> {
    return []
  }
}

const services = [service('ssh', { factor: 'none' }), service('wiki', { factor: 'none' })]
const forgetful = (clock = new HandClock()) => new ForgetfulHook(['ssh', 'wiki'], clock)

/** The daemon dies, and another one starts from what is on record. */
async function restart(before: Kit, options: Parameters<typeof kit>[0] = {}) {
  const hook = forgetful(before.clock)
  const after = kit({ services, clock: before.clock, ledger: before.lines, hook, ...options })
  await after.gatekeeper.resume([after.hook])
  return { ...after, hook }
}

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
