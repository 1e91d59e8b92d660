import { parseNetwork } from '@oneknock/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Familiarity, grownLifetime } from '../../../server/src/core/familiarity.ts'
import { asRead } from '../kit.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const HOME = parseNetwork('203.0.113.7')!
const CAFE = parseNetwork('198.51.100.7')!
const SERVICE = { lifetime: 1_200, maxLifetime: 180_000, grows: 3 }

describe('a lifetime that grows', () => {
  it('does so from base to cap', () => {
    expect([0, 1, 2, 3, 4, 5, 255].map(visits => grownLifetime(SERVICE, visits))).toEqual([
      1_200, 3_600, 10_800, 32_400, 97_200, 180_000, 180_000,
    ])
  })

  it('stays as it is without growth', () => {
    expect(grownLifetime({ lifetime: 30, maxLifetime: 60 }, 9)).toBe(30)
  })
})

describe('familiarity', () => {
  it('counts who comes again once their time is over', () => {
    const known = new Familiarity()
    expect(known.visits('anna', HOME, 0)).toBe(0)
    known.come('anna', HOME, HOUR, 0)
    expect(known.visits('anna', HOME, HOUR - 1)).toBe(0)
    expect(known.visits('anna', HOME, HOUR)).toBe(1)
    known.come('anna', HOME, 4 * HOUR, HOUR)
    expect(known.visits('anna', HOME, 4 * HOUR)).toBe(2)
  })

  it('does not count who knocks over and over', () => {
    const known = new Familiarity()
    for (let minute = 0; minute < 60; minute++) {
      known.come('anna', HOME, minute * 60_000 + HOUR, minute * 60_000)
    }
    expect(known.visits('anna', HOME, HOUR - 1)).toBe(0)
    expect(known.visits('anna', HOME, HOUR)).toBe(1)
  })

  it('knows each person from each address alone', () => {
    const known = new Familiarity()
    known.come('anna', HOME, HOUR, 0)
    expect(known.visits('anna', CAFE, HOUR)).toBe(0)
    expect(known.visits('bert', HOME, HOUR)).toBe(0)
  })

  it('forgets an address that nobody came from for a month', () => {
    const known = new Familiarity()
    known.come('anna', HOME, HOUR, 0)
    expect(known.visits('anna', HOME, 30 * DAY)).toBe(1)
    expect(known.visits('anna', HOME, 30 * DAY + 1)).toBe(0)
    known.forget(30 * DAY)
    expect(asRead(known.record())).toHaveLength(1)
    known.forget(30 * DAY + 1)
    expect(asRead(known.record())).toEqual([])
  })

  it('keeps the addresses of a user that were used last', () => {
    const known = new Familiarity()
    known.come('anna', HOME, HOUR, 0)
    for (let i = 1; i <= 20; i++) {
      known.come('anna', parseNetwork(`198.51.100.${i}`)!, HOUR, i)
      known.come('anna', HOME, HOUR, i)
    }
    expect(asRead(known.record())).toHaveLength(16)
    expect(known.visits('anna', HOME, HOUR)).toBe(1)
    expect(known.visits('anna', parseNetwork('198.51.100.1')!, HOUR)).toBe(0)
  })

  it('trusts an address for at most so many times as long as it has been trusted', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 3 * HOUR }), { maxLength: 40 })
    fc.assert(
      fc.property(gaps, times => {
        const known = new Familiarity()
        let [now, trusted, end] = [0, 0, 0]
        for (const gap of times) {
          now += gap
          const lifetime = grownLifetime(SERVICE, known.visits('anna', HOME, now)) * 1000
          expect(lifetime).toBeLessThanOrEqual(
            Math.max(SERVICE.lifetime * 1000, SERVICE.grows * trusted),
          )
          known.come('anna', HOME, now + lifetime, now)
          trusted += now + lifetime - Math.max(now, Math.min(end, now + lifetime))
          end = Math.max(end, now + lifetime)
        }
      }),
    )
  })

  it('is the same after it was written down', () => {
    const known = new Familiarity()
    known.come('anna', HOME, HOUR, 0)
    known.come('anna', CAFE, 2 * HOUR, 5)
    known.come('bert', HOME, HOUR, 7)
    const again = new Familiarity()
    again.restore(asRead(known.record()))
    expect(asRead(again.record())).toEqual(asRead(known.record()))
    expect(again.visits('anna', CAFE, 2 * HOUR)).toBe(1)
  })

  it('is written down as it was, whoever comes meanwhile', () => {
    const known = new Familiarity()
    known.come('anna', HOME, HOUR, 0)
    const recorded = known.record()
    known.come('anna', CAFE, 2 * HOUR, HOUR)
    known.come('bert', HOME, 2 * HOUR, HOUR)
    expect(asRead(recorded)).toMatchObject([{ user: 'anna', until: HOUR }])
    expect(asRead(known.record())).toHaveLength(3)
  })
})
