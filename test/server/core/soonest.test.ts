import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Soonest } from '../../../server/src/core/soonest.ts'

it('knows who comes first and who is due, as if it had looked at all of them', () => {
  const act = fc.record({
    key: fc.integer({ min: 0, max: 20 }).map(String),
    at: fc.option(fc.integer({ min: -50, max: 50 }), { nil: undefined }),
  })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 300 }), fc.integer({ min: -60, max: 60 }), (acts, t) => {
      const soonest = new Soonest()
      const plain = new Map<string, number>()
      for (const { key, at } of acts) {
        if (at === undefined) plain.delete(key)
        else plain.set(key, at)
        if (at === undefined) soonest.delete(key)
        else soonest.set(key, at)
        expect(soonest.next()).toBe(Math.min(...plain.values()))
        const due = [...plain].filter(([, at]) => at <= t).map(([key]) => key)
        expect(soonest.until(t).sort()).toEqual(due.sort())
      }
    }),
  )
})
