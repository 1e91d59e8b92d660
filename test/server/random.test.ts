import { describe, expect, it } from 'vitest'
import { pooledRandom } from '../../server/src/random.ts'

describe('pooled random bytes', () => {
  it('are as many as asked for, and never the same again, over many pools', () => {
    const random = pooledRandom()
    const seen = new Set<string>()
    for (let i = 0; i < 20_000; i++) {
      const bytes = random(8 + (i % 25))
      expect(bytes.length).toBe(8 + (i % 25))
      seen.add(Buffer.from(bytes.subarray(0, 8)).toString('hex'))
    }
    expect(seen.size).toBe(20_000)
  })

  it('are not wiped or overwritten where they were given out', () => {
    const random = pooledRandom()
    const first = random(24)
    const copy = first.slice()
    for (let i = 0; i < 1000; i++) random(24).fill(0)
    expect(first).toEqual(copy)
    expect(copy.some(byte => byte !== 0)).toBe(true)
  })
})
