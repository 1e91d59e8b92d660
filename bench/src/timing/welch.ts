/** The mean and the variance of what came by, number by number (Welford). */
class Moments {
  count = 0
  mean = 0
  #squares = 0

  add(value: number): void {
    this.count++
    const difference = value - this.mean
    this.mean += difference / this.count
    this.#squares += difference * (value - this.mean)
  }

  /** Of the mean. */
  get variance(): number {
    return this.#squares / (this.count - 1) / this.count
  }
}

/** How far apart two means are, in standard errors of their difference. */
function welchT(a: Moments, b: Moments): number {
  if (a.count < 2 || b.count < 2) return 0
  const error = Math.sqrt(a.variance + b.variance)
  return error === 0 ? 0 : (a.mean - b.mean) / error
}

/** Times above it are left out: whoever else used the machine made them, not the code. */
interface Crop {
  readonly limit: number
  readonly classes: readonly [Moments, Moments]
}

const CROPS = 50

/**
 * Welch's t-test over two classes of times, as dudect does it: once with all of them and once for
 * each of many percentiles above which they are left out. The greatest |t| counts.
 */
export class LeakTest {
  readonly #crops: readonly Crop[]

  /** The percentiles are those of some first times, which are not counted. */
  constructor(first: readonly number[]) {
    const sorted = [...first].sort((a, b) => a - b)
    const limits = Array.from({ length: CROPS }, (_, i) => {
      const part = 1 - 0.5 ** ((10 * (i + 1)) / CROPS)
      return sorted[Math.floor(part * (sorted.length - 1))]!
    })
    this.#crops = [...limits, Number.POSITIVE_INFINITY].map(limit => ({
      limit,
      classes: [new Moments(), new Moments()],
    }))
  }

  add(time: number, cls: 0 | 1): void {
    for (const { limit, classes } of this.#crops) if (time <= limit) classes[cls].add(time)
  }

  /** Fewer times than this, and a crop says nothing. */
  static readonly COUNT_MIN = 10_000

  get t(): number {
    let greatest = 0
    for (const { classes } of this.#crops) {
      const [a, b] = classes
      if (Math.min(a.count, b.count) < LeakTest.COUNT_MIN) continue
      const t = Math.abs(welchT(a, b))
      if (t > greatest) greatest = t
    }
    return greatest
  }
}
