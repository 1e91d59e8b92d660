import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Held, SteadyMap } from '../../../server/src/core/steady.ts'

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const act = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), key, value: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
  { weight: 1, arbitrary: fc.constant({ do: 'hold' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'let go' as const }) },
)

const sorted = <V>(entries: Iterable<[string, V]>) => [...new Map(entries)].sort()

describe('a map that can be held', () => {
  it('stays what it was for whoever holds it, and is a map like others all the time', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60, size: 'max' }), acts => {
        const map = new SteadyMap<number>()
        const model = new Map<string, number>()
        let held: Held<number> | undefined
        let before: [string, number][] = []
        for (const one of acts) {
          if (one.do === 'set') {
            map.set(one.key, one.value)
            model.set(one.key, one.value)
          }
          if (one.do === 'delete') {
            map.delete(one.key)
            model.delete(one.key)
          }
          if (one.do === 'hold') {
            held = map.hold()
            before = [...model].sort()
          }
          if (one.do === 'let go') {
            held?.letGo()
            held = undefined
          }
          expect([...map]).toHaveLength(model.size)
          expect(sorted(map)).toEqual([...model].sort())
          expect(map.size).toBe(model.size)
          for (const each of ['a', 'b', 'c', 'd', 'e']) {
            expect(map.get(each)).toBe(model.get(each))
            expect(map.has(each)).toBe(model.has(each))
          }
          if (held) expect(sorted(held)).toEqual(before)
        }
      }),
      { numRuns: 300 },
    )
  })

  it.each<[string, (map: SteadyMap<number>, held: Held<number>) => void]>([
    ['let go', (_, held) => held.letGo()],
    ['held anew', map => map.hold()],
  ])('and then %s is never read as a mixture of two states', (_, change) => {
    const map = new SteadyMap<number>()
    for (const each of ['a', 'b', 'c']) map.set(each, 1)
    const held = map.hold()
    const reading = held[Symbol.iterator]()
    expect(reading.next().value).toEqual(['a', 1])
    map.set('b', 2)
    change(map, held)
    expect(() => reading.next()).toThrow('let go')
    expect(map.get('b')).toBe(2)
  })

  it('once it is held anew, is not let go by whoever held it before', () => {
    const map = new SteadyMap<number>()
    map.set('a', 1)
    const first = map.hold()
    const second = map.hold()
    first.letGo()
    map.set('a', 2)
    expect([...second]).toEqual([['a', 1]])
  })
})
