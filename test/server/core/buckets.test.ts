import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BURST, Buckets, REFILL_MS } from '../../../server/src/core/buckets.ts'

const DEVICES = ['alice/laptop', 'bob/laptop']

describe('the bucket of a device', () => {
  it('gives what a plain token bucket would, to each device its own', () => {
    const takes = fc.array(
      fc.tuple(
        fc.constantFrom(...DEVICES),
        fc.oneof(fc.constant(0), fc.constant(0), fc.nat(3 * REFILL_MS)),
      ),
      { maxLength: 200, size: 'max' },
    )
    fc.assert(
      fc.property(takes, fc.nat(1e9), (takes, start) => {
        const buckets = new Buckets()
        const models = new Map(DEVICES.map(device => [device, { tokens: BURST, at: start }]))
        let now = start
        for (const [device, after] of takes) {
          now += after
          const model = models.get(device)!
          model.tokens = Math.min(BURST, model.tokens + (now - model.at) / REFILL_MS)
          model.at = now
          // Thousandths add up to a whole token only nearly.
          const expected = model.tokens > 1 - 1e-9
          if (expected) model.tokens--
          expect(buckets.take(device, now)).toBe(expected)
        }
      }),
    )
  })

  it('is full at first, earns one packet a second, and never more than its size', () => {
    const buckets = new Buckets()
    const takeAll = (now: number) => {
      let taken = 0
      while (buckets.take('alice/laptop', now)) taken++
      return taken
    }
    expect(takeAll(0)).toBe(BURST)
    expect(takeAll(REFILL_MS - 1)).toBe(0)
    expect(takeAll(REFILL_MS)).toBe(1)
    expect(takeAll(3.5 * REFILL_MS)).toBe(2)
    expect(takeAll(1e9)).toBe(BURST)
  })
})
