import { describe, expect, it } from 'vitest'
import { sampleOf, sampleOfRuns } from '../../bench/src/harness/stats.ts'

describe('the sample of several values in each run', () => {
  it('has the median of all values, and the quartiles of the runs', () => {
    const runs = [
      [1, 2, 30],
      [4, 5, 6],
      [7, 8, 90],
    ]
    const { low, high } = sampleOf([2, 5, 8])
    expect(sampleOfRuns(runs)).toEqual({ median: 6, low, high, runs: 3 })
  })

  it('is that of single values where there is one in each', () => {
    expect(sampleOfRuns([[3], [1], [2]])).toEqual(sampleOf([3, 1, 2]))
  })
})
