import { ANY_IPV4, type Reply } from '@oneknock/shared'
import { describe, expect, it } from 'vitest'
import { HookError } from '../../server/src/hooks/hook.ts'
import { addr, barrier, device, type Kit, kit, NOON, service, turns, until, user } from './kit.ts'

/** What happens to knocks while something else is under way: the disk, a hook, another knock. */

const seen = (reply: Reply | 'silence') =>
  reply === 'silence' ? reply : `${reply.status} ${reply.reason}`

const names = (k: Kit) => k.lines.map(({ event }) => event.event)

const fail = () => {
  throw new HookError('memory', 'failed', 'told to fail')
}

const freeServices = [service('ssh', { factor: 'none' }), service('wiki', { factor: 'none' })]

describe('while the line of a knock is being written', () => {
  it.each([
    ['its user is removed', (k: Kit) => k.setDirectory([])],
    ['its user is locked', (k: Kit) => k.setDirectory([user('alice', 1, { locked: true })])],
    [
      'its device is removed',
      (k: Kit) => k.setDirectory([user('alice', 1, { devices: [device('alice', 'phone', 101)] })]),
    ],
  ])('%s: nothing opens, then or later', async (_, change) => {
    const k = kit()
    const disk = barrier()
    k.disk.gate = disk.wait
    const answer = k.send(k.packet({ factor: k.code() }))
    change(k)
    k.gatekeeper.revise()
    disk.open()
    expect(seen(await answer)).toBe('closed none')
    await until(
      () => names(k),
      lines => lines.includes('ended'),
    )
    expect(names(k)).toEqual(['knock', 'ending', 'ended'])
    expect(await k.open()).toEqual([])
  })

  it('the administrator closes it: nothing opens', async () => {
    const k = kit()
    const disk = barrier()
    k.disk.gate = disk.wait
    const answer = k.send(k.packet({ factor: k.code() }))
    void k.gatekeeper.end(k.state.grants.list()[0]!.id, 'administrator')
    disk.open()
    expect(seen(await answer)).toBe('closed none')
    expect(await k.open()).toEqual([])
  })

  it('its time runs out: nothing opens', async () => {
    const k = kit()
    const disk = barrier()
    k.disk.gate = disk.wait
    const answer = k.send(k.packet({ factor: k.code() }))
    k.clock.pass(31_000)
    k.gatekeeper.endExpired()
    disk.open()
    expect(seen(await answer)).toBe('closed none')
    expect(await k.open()).toEqual([])
  })

  it('what a close leaves of its grant runs out: nothing stays open', async () => {
    const k = kit()
    const ask = { services: ['ssh', 'wiki'], lifetime: 30 }
    await k.send(k.packet({ factor: k.code(), ...ask }))
    k.clock.pass(1)
    const disk = barrier()
    k.disk.gate = disk.wait
    const answer = k.send(k.packet({ verb: 'close', services: ['ssh'] }))
    k.clock.pass(30_000)
    k.gatekeeper.endExpired()
    disk.open()
    expect(seen(await answer)).toBe('closed none')
    await until(k.open, open => open.length === 0)
    expect(k.doors.list()).toEqual([])
  })

  it('another close of the same grant comes: what neither closes stays open', async () => {
    const services = ['a', 'b', 'c'].map(name => service(name, { factor: 'none' }))
    const users = [user('alice', 1, { services: ['a', 'b', 'c'] })]
    const k = kit({ services, users })
    await k.send(k.packet({ services: [] }))
    k.clock.pass(1)
    const disk = barrier()
    k.disk.gate = disk.wait
    const one = k.send(k.packet({ verb: 'close', services: ['a'] }))
    const two = k.send(k.packet({ verb: 'close', services: ['b'] }))
    disk.open()
    expect(await one).toMatchObject({ status: 'closed', detail: 'a' })
    expect(await two).toMatchObject({ status: 'closed', detail: 'b' })
    await turns()
    expect(await k.open()).toEqual(['c 203.0.113.7'])
    expect(k.state.grants.list()).toMatchObject([{ services: ['c'] }])
  })
})

describe('while a hook opens', () => {
  it('the knock is closed again: it ends closed', async () => {
    const k = kit({ services: freeServices })
    const hook = barrier()
    k.hook.before = event => (event === 'open' ? hook.wait : undefined)
    const opening = k.send(k.packet())
    await until(
      () => k.lines.length,
      lines => lines > 0,
    )
    k.clock.pass(1)
    const closing = k.send(k.packet({ verb: 'close' }))
    await turns()
    hook.open()
    expect([seen(await opening), seen(await closing)]).toEqual(['closed none', 'closed none'])
    expect(await k.open()).toEqual([])
    expect(k.state.grants.listEnding()).toEqual([])
  })

  it('a newer knock of the same device does not lose its door to the older one', async () => {
    const k = kit({ services: freeServices })
    const hook = barrier()
    k.hook.before = event => (event === 'open' ? hook.wait : undefined)
    const older = k.send(k.packet())
    const newer = k.send(k.packet())
    hook.open()
    expect([seen(await older), seen(await newer)]).toEqual(['opened none', 'opened none'])
    expect(await k.open()).toEqual(['ssh 203.0.113.7'])
    expect(k.state.grants.list()).toHaveLength(1)
  })

  it('another device asks for the same: it is not told "opened" before it is', async () => {
    const k = kit({ services: freeServices })
    const hook = barrier()
    k.hook.before = event => (event === 'open' ? hook.wait.then(fail) : undefined)
    const phone = device('alice', 'phone', 101)
    const one = k.send(k.packet())
    const two = k.send(k.packet({}, phone))
    await until(
      () => k.lines.length,
      lines => lines === 2,
    )
    hook.open()
    expect([seen(await one), seen(await two)]).toEqual([
      'refused hook-failed',
      'refused hook-failed',
    ])
    expect(k.state.grants.list()).toEqual([])
    expect(await k.open()).toEqual([])
  })

  it('and takes longer than it may: what it opens in the end is closed', async () => {
    const k = kit({ hookLimitMs: 20 })
    const hook = barrier()
    k.hook.before = event => (event === 'open' ? hook.wait : undefined)
    expect(seen(await k.send(k.packet({ factor: k.code() })))).toBe('refused hook-failed')
    let closes = 0
    k.hook.before = event => {
      if (event === 'close') closes++
    }
    hook.open()
    await until(
      () => closes,
      count => count === 1,
    )
    expect(await k.open()).toEqual([])
  })
})

describe('a close', () => {
  it('is answered once its door is closed', async () => {
    const k = kit()
    await k.send(k.packet({ factor: k.code() }))
    k.clock.pass(1)
    const hook = barrier()
    k.hook.before = () => hook.wait
    let answered = false
    const answer = k.send(k.packet({ verb: 'close' })).finally(() => {
      answered = true
    })
    await turns()
    expect(answered).toBe(false)
    hook.open()
    expect(seen(await answer)).toBe('closed none')
    expect(await k.open()).toEqual([])
  })

  it('says so if the hook cannot, and is tried until it can', async () => {
    const k = kit()
    await k.send(k.packet({ factor: k.code() }))
    k.clock.pass(1)
    k.hook.before = fail
    expect(seen(await k.send(k.packet({ verb: 'close' })))).toBe('refused hook-failed')
    expect(names(k)).not.toContain('ended')
    k.hook.before = () => {}
    await until(k.open, open => open.length === 0)
    await until(
      () => names(k),
      lines => lines.includes('ended'),
    )
  })

  it('closes although its line cannot be written', async () => {
    const k = kit()
    await k.send(k.packet({ factor: k.code() }))
    k.clock.pass(1)
    k.disk.works = false
    expect(seen(await k.send(k.packet({ verb: 'close' })))).toBe('refused state-unavailable')
    await until(k.open, open => open.length === 0)
  })
})

describe('asking again', () => {
  it('after a renewal tells of the door as it is now', async () => {
    const k = kit()
    const ask = { factor: k.code(), knockId: '00000000000000aa' }
    await k.send(k.packet(ask))
    k.clock.pass(10_000)
    expect(seen(await k.send(k.packet({ factor: k.code(1) })))).toBe('opened none')
    k.clock.pass(1)
    expect(await k.send(k.packet(ask))).toMatchObject({ status: 'opened', lifetime: 30 })
    const later = kit({ clock: k.clock, ledger: k.lines })
    await later.gatekeeper.resume([later.hook])
    expect(await later.send(later.packet(ask))).toMatchObject({ status: 'opened', lifetime: 30 })
  })

  it('after a renewal joins nothing: the newer grant may give more than this knock asked', async () => {
    const services = [...freeServices.slice(0, 1), service('wiki', { factor: 'none' })]
    const k = kit({ services })
    const six = { address: addr('2001:db8::7') }
    const knockId = '00000000000000ab'
    await k.send(k.packet({ ...six, services: ['ssh'], knockId }), '2001:db8::7')
    await k.send(k.packet({ ...six, services: ['ssh', 'wiki'] }), '2001:db8::7')
    await until(
      () => k.state.grants.size,
      size => size === 1,
    )
    await k.send(k.packet({ address: ANY_IPV4, services: ['ssh'], knockId }))
    expect(await k.open()).toEqual(['ssh 2001:db8::7', 'wiki 2001:db8::7'])
  })

  it('never says that an address is open which could not join', async () => {
    const k = kit()
    const ask = { factor: k.code(), knockId: '00000000000000ac' }
    await k.send(k.packet({ ...ask, address: addr('2001:db8::7') }), '2001:db8::7')
    k.hook.before = event => (event === 'open' ? fail() : undefined)
    expect(seen(await k.send(k.packet({ ...ask, address: ANY_IPV4 })))).toBe('refused hook-failed')
    k.clock.pass(11_000)
    const again = await k.send(k.packet({ ...ask, address: ANY_IPV4 }))
    expect(again).toMatchObject({ status: 'opened', address: '2001:db8::7' })
  })

  it('joins no longer once ten seconds are over, though the wall clock steps back', async () => {
    const k = kit()
    const ask = { factor: k.code(), knockId: '00000000000000ad' }
    await k.send(k.packet({ ...ask, address: addr('2001:db8::7') }), '2001:db8::7')
    k.clock.mono += 10_001
    k.clock.wall -= 5_000
    await k.send(k.packet({ ...ask, address: ANY_IPV4 }))
    expect(await k.open()).toEqual(['ssh 2001:db8::7'])
  })
})

describe('recorded packets', () => {
  it('sent again take nothing from their device’s bucket', async () => {
    const k = kit()
    const recorded = k.packet({ verb: 'close' })
    await k.send(recorded)
    for (let i = 0; i < 100; i++) expect(await k.send(recorded)).toBe('silence')
    expect(k.counters.read()).toMatchObject({ replay: 100, rate: 0 })
    expect(seen(await k.send(k.packet({ factor: k.code() })))).toBe('opened none')
  })

  it('are one packet, in one tick and of a known knock too', async () => {
    const k = kit()
    const ask = { factor: k.code(), knockId: '00000000000000ad' }
    await k.send(k.packet(ask))
    const again = k.packet(ask)
    const answers = await Promise.all([k.send(again), k.send(again), k.send(again)])
    expect(answers.map(seen)).toEqual(['opened none', 'silence', 'silence'])
  })
})

describe('a join', () => {
  const ask = (k: Kit) => ({ factor: k.code(), knockId: '00000000000000ae' })

  it('of a grant that ends meanwhile opens nothing', async () => {
    const k = kit()
    const its = ask(k)
    await k.send(k.packet({ ...its, address: addr('2001:db8::7') }), '2001:db8::7')
    const disk = barrier()
    k.disk.gate = disk.wait
    const joining = k.send(k.packet({ ...its, address: ANY_IPV4 }))
    await turns()
    void k.gatekeeper.end(k.state.grants.list()[0]!.id, 'administrator')
    disk.open()
    expect(seen(await joining)).toBe('closed none')
    expect(await k.open()).toEqual([])
  })

  it('that cannot be written opens nothing, and leaves the grant', async () => {
    const k = kit()
    const its = ask(k)
    await k.send(k.packet({ ...its, address: addr('2001:db8::7') }), '2001:db8::7')
    k.disk.works = false
    const answer = await k.send(k.packet({ ...its, address: ANY_IPV4 }))
    expect(seen(answer)).toBe('refused state-unavailable')
    expect(await k.open()).toEqual(['ssh 2001:db8::7'])
    expect(k.state.grants.list()[0]!.networks).toHaveLength(1)
  })

  it('is one, however many packets name the address at once', async () => {
    const k = kit()
    const its = ask(k)
    await k.send(k.packet({ ...its, address: addr('2001:db8::7') }), '2001:db8::7')
    const packets = Array.from({ length: 5 }, (_, i) =>
      k.packet({ ...its, address: ANY_IPV4, sentAt: NOON + i }),
    )
    const answers = await Promise.all(packets.map(packet => k.send(packet)))
    expect(new Set(answers.map(seen))).toEqual(new Set(['opened none']))
    expect(names(k)).toEqual(['knock', 'knock', 'seen', 'seen', 'seen', 'seen'])
  })
})

describe('every answer fits its reply', () => {
  it('whatever the length of the name of the service that failed', async () => {
    const name = 'a'.repeat(32)
    const users = [user('alice', 1, { services: [name] })]
    const k = kit({ services: [service(name)], users })
    k.hook.before = event => (event === 'open' ? fail() : undefined)
    const reply = await k.send(k.packet({ factor: k.code(), services: [name] }))
    expect(reply).toMatchObject({ reason: 'hook-failed', detail: 'a'.repeat(31) })
  })

  it('also to a link-local source, which the socket names with its interface', async () => {
    const k = kit()
    expect(seen(await k.send(k.packet({ factor: k.code() }), 'fe80::1%eth0'))).toBe(
      'refused address',
    )
  })
})

describe('when the ledger has only its last tenth left', () => {
  it('what opens and closes doors is written, what only refuses or tells is not', async () => {
    const k = kit()
    k.disk.refusals = false
    const wrong = { factor: { kind: 'totp', code: '000000' }, knockId: '00000000000000af' } as const
    expect(seen(await k.send(k.packet(wrong)))).toBe('refused state-unavailable')
    expect(seen(await k.send(k.packet(wrong)))).toBe('refused state-unavailable')
    expect(seen(await k.send(k.packet({ verb: 'close' })))).toBe('refused state-unavailable')
    const barred = k.packet({ factor: k.code(-1), services: ['nosuch'] })
    expect(seen(await k.send(barred))).toBe('refused state-unavailable')
    const good = { factor: k.code(), knockId: '00000000000000b0' }
    expect(seen(await k.send(k.packet(good)))).toBe('opened none')
    expect(seen(await k.send(k.packet(good)))).toBe('opened none')
    k.clock.pass(1)
    expect(seen(await k.send(k.packet({ verb: 'close' })))).toBe('closed none')
    await turns()
    expect(names(k)).toEqual(['knock', 'seen', 'knock', 'ended'])
  })
})
