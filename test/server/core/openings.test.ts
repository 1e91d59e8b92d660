import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Need, type Opening, Openings, openingKey } from '../../../server/src/core/openings.ts'
import { network } from '../kit.ts'

const NETWORKS = ['203.0.113.7', '203.0.113.8', '2001:db8::7'].map(network)
const isPersonal = (service: string) => service === 'forward'

const need = fc.record({
  grant: fc.constantFrom('g1', 'g2', 'g3'),
  user: fc.constantFrom('alice', 'bob'),
  services: fc.uniqueArray(fc.constantFrom('ssh', 'wiki', 'forward'), { minLength: 1 }),
  networks: fc.uniqueArray(fc.constantFrom(...NETWORKS), { minLength: 1, maxLength: 2 }),
  until: fc.integer({ min: 1, max: 5 }),
})
const act = fc.oneof(
  need.map(its => ({ do: 'set' as const, need: its })),
  fc.constantFrom('g1', 'g2', 'g3').map(grant => ({ do: 'remove' as const, grant })),
)

/** What is open if these are all the needs there are. */
function merged(needs: Iterable<Need>): Map<string, Opening> {
  const open = new Map<string, Opening>()
  for (const { services, networks, user, until } of needs) {
    for (const service of services) {
      for (const one of networks) {
        const opening = { service, network: one, until, ...(isPersonal(service) && { user }) }
        const key = openingKey(opening)
        const before = open.get(key)?.until ?? 0
        open.set(key, { ...opening, until: Math.max(before, until) })
      }
    }
  }
  return open
}

const sorted = (openings: Iterable<Opening>) =>
  [...openings].sort((a, b) => (openingKey(a) < openingKey(b) ? -1 : 1))

describe('openings', () => {
  it('are the merge of all needs, and their changes lead from one state to the next', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), acts => {
        const openings = new Openings(isPersonal)
        const needs = new Map<string, Need>()
        const held = new Map<string, Opening>()
        for (const one of acts) {
          const changes = one.do === 'set' ? openings.set(one.need) : openings.remove(one.grant)
          if (one.do === 'set') needs.set(one.need.grant, one.need)
          else needs.delete(one.grant)
          for (const { action, opening } of changes) {
            const key = openingKey(opening)
            // A hook is never told what it knows already, nor to close what it has not.
            expect(held.get(key)?.until).not.toBe(action === 'open' ? opening.until : undefined)
            if (action === 'open') held.set(key, opening)
            else held.delete(key)
          }
          const expected = merged(needs.values())
          expect(sorted(openings.list())).toEqual(sorted(expected.values()))
          expect(sorted(held.values())).toEqual(sorted(expected.values()))
          for (const [key, opening] of expected) expect(openings.get(key)).toEqual(opening)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('last until the latest of those who need them, and close with the last', () => {
    const openings = new Openings()
    const its = { user: 'alice', services: ['ssh'], networks: [NETWORKS[0]!] }
    const actions = (changes: readonly { action: string; opening: Opening }[]) =>
      changes.map(({ action, opening }) => `${action} ${opening.until}`)
    expect(actions(openings.set({ ...its, grant: 'g1', until: 5 }))).toEqual(['open 5'])
    expect(actions(openings.set({ ...its, grant: 'g2', until: 3 }))).toEqual([])
    expect(actions(openings.set({ ...its, grant: 'g2', until: 9 }))).toEqual(['open 9'])
    expect(actions(openings.remove('g2'))).toEqual(['open 5'])
    expect(actions(openings.remove('g1'))).toEqual(['close 5'])
    expect(actions(openings.remove('g1'))).toEqual([])
  })
})
