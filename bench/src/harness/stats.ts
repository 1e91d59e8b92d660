/**
 * What several runs gave: the middle one, and the quartiles, between which half of them lie. The best and
 * the worst say less: on a shared machine there is one of each, the further off the longer one looks.
 */
export interface Sample {
  readonly median: number
  readonly low: number
  readonly high: number
  readonly runs: number
}

export function sampleOf(values: readonly number[]): Sample {
  const sorted = ascending(values)
  return {
    median: quantile(sorted, 0.5),
    low: quantile(sorted, 0.25),
    high: quantile(sorted, 0.75),
    runs: sorted.length,
  }
}

/**
 * Of several values in each run: the middle one of all, which is steadier than the middle of the runs'
 * middles, and the quartiles of those.
 */
export const sampleOfRuns = (runs: readonly (readonly number[])[]): Sample => ({
  ...sampleOf(runs.map(median)),
  median: median(runs.flat()),
})

/** Half the distance between the quartiles, as a part of the median. */
export const spreadOf = ({ median, low, high }: Sample): number =>
  median === 0 ? 0 : (high - low) / 2 / median

/** Of values in ascending order; between two of them it interpolates. */
export function quantile(sorted: readonly number[], part: number): number {
  const at = (sorted.length - 1) * part
  const below = sorted[Math.floor(at)]!
  return below + (sorted[Math.ceil(at)]! - below) * (at - Math.floor(at))
}

export const median = (values: readonly number[]): number => quantile(ascending(values), 0.5)

/** Each run beside the reference of its own round, so that what drifts hits both. */
export const ratios = (values: readonly number[], references: readonly number[]): Sample =>
  sampleOf(values.map((value, round) => value / references[round]!))

export const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b)
