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

  /** All that came by another, too (Chan, Golub and LeVeque). */
  merge(other: Moments): void {
    if (other.count === 0) return
    const both = this.count + other.count
    const difference = other.mean - this.mean
    const apart = (difference * difference * this.count * other.count) / both
    this.#squares += other.#squares + apart
    this.mean += (difference * other.count) / both
    this.count = both
  }

  /** Of the mean. */
  get variance(): number {
    return this.#squares / (this.count - 1) / this.count
  }
}

/** How far apart two means are, in standard errors of their difference. */
function welchT(a: Moments, b: Moments): number {
  const error = Math.sqrt(a.variance + b.variance)
  return error === 0 ? 0 : (a.mean - b.mean) / error
}

type Classes = readonly [Moments, Moments]
const classes = (): Classes => [new Moments(), new Moments()]

const CROPS = 50
/** Fewer times than this, and a crop says nothing. */
const COUNT_MIN = 10_000

/**
 * Welch's t-test over two classes of times, as dudect does it: once with all of them and once for
 * each of many percentiles above which they are left out, since whoever else used the machine made
 * the longest. The greatest |t| counts.
 */
export class LeakTest {
  /** Ascending. */
  readonly #limits: Float64Array
  /** Times from one limit to the next. */
  readonly #between: readonly Classes[]

  /** The percentiles are those of some first times, which are not counted. */
  constructor(first: readonly number[]) {
    const sorted = [...first].sort((a, b) => a - b)
    this.#limits = Float64Array.from({ length: CROPS }, (_, i) => {
      const part = 1 - 0.5 ** ((10 * (i + 1)) / CROPS)
      return sorted[Math.floor(part * (sorted.length - 1))]!
    })
    this.#between = Array.from({ length: CROPS + 1 }, classes)
  }

  add(time: number, cls: 0 | 1): void {
    let low = 0
    let high = CROPS
    while (low < high) {
      const middle = (low + high) >> 1
      if (time <= this.#limits[middle]!) high = middle
      else low = middle + 1
    }
    this.#between[low]![cls].add(time)
  }

  get t(): number {
    let greatest = 0
    const [a, b] = classes()
    for (const between of this.#between) {
      a.merge(between[0])
      b.merge(between[1])
      if (Math.min(a.count, b.count) < COUNT_MIN) continue
      greatest = Math.max(greatest, Math.abs(welchT(a, b)))
    }
    return greatest
  }
}
