import { randomBytes } from 'node:crypto'
import type { Subject } from './subjects.ts'
import { LeakTest } from './welch.ts'

export interface Measured {
  readonly what: string
  readonly classes: readonly [string, string]
  /** Of each class. */
  readonly samples: number
  readonly t: number
  readonly planted: boolean
  readonly passed: boolean
}

/** Beyond it, two classes do not take the same time. */
export const T_MAX = 4.5
/** Until it is compiled for good. */
const WARM_UP = 100_000
/** The times that the percentiles are taken from. */
const FIRST = 20_000

/** Times runs of both classes in random order, so that whatever drifts hits both alike. */
export function measure(subject: Subject, samples: number): Measured {
  const test = new LeakTest(Array.from(times(subject, WARM_UP), ({ time }) => time).slice(-FIRST))
  for (const { time, cls } of times(subject, 2 * samples)) test.add(time, cls)
  const { what, classes, planted = false } = subject
  return { what, classes, samples, t: test.t, planted, passed: test.t > T_MAX === planted }
}

const CHUNK = 65_536

function* times(
  { prepare, run }: Subject,
  count: number,
): Generator<{ readonly time: number; readonly cls: 0 | 1 }> {
  const sample = { time: 0, cls: 0 as 0 | 1 }
  for (let left = count; left > 0; left -= CHUNK) {
    const order = randomBytes(Math.min(CHUNK, left))
    for (const byte of order) {
      sample.cls = (byte & 1) as 0 | 1
      prepare(sample.cls)
      const start = performance.now()
      const result = run()
      sample.time = performance.now() - start
      kept = result
      yield sample
    }
  }
}

/** Whatever is computed is looked at, or it need not be computed. */
export let kept: unknown
