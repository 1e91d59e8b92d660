import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Grant, Grants } from '../../../server/src/core/grants.ts'
import { addr, HandClock, NOON, network } from '../kit.ts'

const grant = (id: string, changes: Partial<Grant> = {}): Grant => ({
  id,
  user: 'alice',
  device: 'alice/laptop',
  services: ['ssh'],
  networks: [network('203.0.113.7')],
  sentAt: NOON,
  until: NOON + 30_000,
  ...changes,
})

const ids = (grants: readonly Grant[]) => grants.map(({ id }) => id)

describe('a grant', () => {
  it('ends by the earlier of its two clocks, whatever they do', () => {
    const act = fc.record({
      wall: fc.integer({ min: -100_000, max: 20_000 }),
      mono: fc.nat(10_000),
      again: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), acts => {
        const clock = new HandClock()
        const grants = new Grants(clock)
        grants.put(grant('a'))
        const deadline = clock.mono + 30_000
        for (const { wall, mono, again } of acts) {
          clock.wall += wall
          clock.mono += mono
          if (again) grants.put({ ...grant('a'), networks: [network('2001:db8::7')] })
          const over = clock.wall >= NOON + 30_000 || clock.mono >= deadline
          if (over) expect(ids(grants.expired())).toEqual(['a'])
          const left = Math.min(NOON + 30_000 - clock.wall, deadline - clock.mono)
          // Put anew while the wall clock was ahead, it may end sooner, but never later.
          expect(grants.nextEnd()).toBeLessThanOrEqual(left)
          expect(grants.nextEnd() <= 0).toBe(grants.expired().length > 0)
        }
      }),
    )
  })

  it('is held, then ending, then gone', () => {
    const grants = new Grants(new HandClock())
    grants.put(grant('a'))
    expect(grants.end('a', 'closed')).toEqual({ grant: grant('a'), why: 'closed' })
    expect(grants.get('a')).toBeUndefined()
    expect(grants.end('a', 'expired')).toBeUndefined()
    expect(grants.getEnding('a')?.why).toBe('closed')
    expect(grants.nextEnd()).toBe(Number.POSITIVE_INFINITY)
    grants.remove('a')
    expect(grants.listEnding()).toEqual([])
  })
})

it('are found by their user, as a look at each of them would find', () => {
  const act = fc.record({ id: fc.constantFrom('a', 'b', 'c'), user: fc.nat(2), ends: fc.boolean() })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 20 }), acts => {
      const grants = new Grants(new HandClock())
      for (const { id, user, ends } of acts) {
        const name = `user-${user}`
        if (ends) grants.end(id, 'closed')
        else if (!grants.get(id)) grants.put(grant(id, { user: name, device: `${name}/${id}` }))
        else grants.put({ ...grants.get(id)!, services: [`service-${user}`] })
        for (const whose of ['user-0', 'user-1', 'user-2']) {
          const looked = grants.list().filter(({ user }) => user === whose)
          expect(new Set(grants.of(whose))).toEqual(new Set(looked))
        }
      }
    }),
  )
})

describe('which earlier grants a newer one covers', () => {
  const newer = grant('new', {
    services: ['ssh', 'wiki'],
    networks: [network('203.0.113.7'), network('2001:db8::7')],
    until: NOON + 60_000,
  })
  it.each<[string, Partial<Grant>, boolean]>([
    ['a part of it', {}, true],
    ['the same', { services: ['wiki', 'ssh'], networks: newer.networks, until: newer.until }, true],
    ['of another device', { device: 'alice/phone' }, false],
    ['that lasts longer', { until: NOON + 60_001 }, false],
    ['of another service', { services: ['ssh', 'vault'] }, false],
    ['from another address', { networks: [network('203.0.113.8')] }, false],
    [
      'from a prefix around it',
      { networks: [{ address: addr('203.0.113.0'), prefix: 120 }] },
      false,
    ],
  ])('%s', (_, changes, covered) => {
    const grants = new Grants(new HandClock())
    grants.put(grant('old', changes))
    grants.put(newer)
    expect(ids(grants.supersededBy(newer))).toEqual(covered ? ['old'] : [])
  })

  it('as a look at each of them would find, whatever became of them since', () => {
    const networks = fc.uniqueArray(
      fc.constantFrom('203.0.113.7', '203.0.113.8', '2001:db8::7').map(text => network(text)),
      { minLength: 1, maxLength: 2, selector: ({ address }) => address },
    )
    const grants = fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      device: fc.constantFrom('alice/laptop', 'alice/phone'),
      services: fc.uniqueArray(fc.constantFrom('ssh', 'wiki'), { minLength: 1 }),
      networks,
      until: fc.integer({ min: NOON + 1, max: NOON + 3 }),
    })
    const act = fc.record({ what: fc.constantFrom('put', 'widen', 'end', 'remove'), of: grants })
    fc.assert(
      fc.property(fc.array(act, { maxLength: 30 }), grants, (acts, changes) => {
        const held = new Grants(new HandClock())
        for (const { what, of } of acts) {
          const before = held.get(of.id)
          if (what === 'put' && !before) held.put(grant(of.id, of))
          if (what === 'widen' && before) held.put({ ...before, networks: of.networks })
          if (what === 'end') held.end(of.id, 'expired')
          if (what === 'remove') held.remove(of.id)
        }
        const newest = grant('new', { ...changes, id: 'new' })
        const all = (ones: readonly string[], others: readonly string[]) =>
          ones.every(one => others.includes(one))
        const texts = ({ networks }: Grant) => networks.map(({ address }) => address)
        const covered = held
          .list()
          .filter(
            old =>
              old.device === newest.device &&
              old.until <= newest.until &&
              all(old.services, newest.services) &&
              all(texts(old), texts(newest)),
          )
        expect(ids(held.supersededBy(newest)).sort()).toEqual(ids(covered).sort())
      }),
    )
  })
})

describe('what a close does', () => {
  const grants = new Grants(new HandClock())
  grants.put(grant('a', { services: ['ssh', 'wiki'] }))
  grants.put(grant('b', { services: ['wiki'], sentAt: NOON + 5 }))
  grants.put(grant('c', { device: 'alice/phone' }))
  it.each<[string, string[], number, string[]]>([
    ['to one service', ['ssh'], NOON + 9, ['a -ssh +wiki']],
    ['to another', ['wiki'], NOON + 9, ['a -wiki +ssh', 'b -wiki +']],
    ['to all', [], NOON + 9, ['a -ssh,wiki +', 'b -wiki +']],
    ['to those that are older', [], NOON + 5, ['a -ssh,wiki +']],
    ['to none that is not older', [], NOON, []],
    ['to none that was not opened', ['vault'], NOON + 9, []],
  ])('%s', (_, services, sentAt, expected) => {
    const closing = grants.closing('alice/laptop', services, sentAt)
    expect(closing.map(({ grant, closed, left }) => `${grant.id} -${closed} +${left}`)).toEqual(
      expected,
    )
  })
})
