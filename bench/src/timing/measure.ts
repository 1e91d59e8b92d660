import { randomBytes } from 'node:crypto'
import { ascending } from '../harness/stats.ts'
import type { Run, Subject } from './subjects.ts'
import { LeakTest } from './welch.ts'

export interface Measured {
  readonly what: string
  readonly classes: readonly [string, string]
  /** Of each class. */
  readonly samples: number
  /** The greatest |t| of each measurement. */
  readonly ts: readonly number[]
  readonly planted: boolean
  readonly passed: boolean
}

/** Beyond it, two classes do not take the same time. */
export const T_MAX = 4.5
/** Until it is compiled for good. */
const WARM_UP = 100_000
/** The times that the percentiles are taken from. */
const FIRST = 20_000
/** What leaks does so each time; where some memory happened to lie does not. */
const REPEATS = 2

/**
 * Times runs of both classes in random order, so that whatever drifts hits both alike. What is beyond
 * the limit is measured twice more, with other secrets, and the middle |t| of the three counts.
 */
export function measure(subject: Subject, samples: number): Measured {
  const { what, classes, planted = false } = subject
  const ts = [measureOnce(subject.make(), samples)]
  if (!planted && ts[0]! >= T_MAX) {
    for (let i = 0; i < REPEATS; i++) ts.push(measureOnce(subject.make(), samples))
  }
  const t = ascending(ts)[ts.length >> 1]!
  return { what, classes, samples, ts, planted, passed: t >= T_MAX === planted }
}

function measureOnce(run: Run, samples: number): number {
  const first: number[] = []
  time(run, WARM_UP, time => first.push(time))
  const test = new LeakTest(first.slice(-FIRST))
  time(run, 2 * samples, (time, cls) => test.add(time, cls))
  return test.t
}

const CHUNK = 65_536

function time(
  { prepare, run }: Run,
  count: number,
  take: (time: number, cls: 0 | 1) => void,
): void {
  for (let left = count; left > 0; left -= CHUNK) {
    const chosen = randomBytes(2 * Math.min(CHUNK, left))
    for (let i = 0; i < chosen.length; i += 2) {
      const cls = (chosen[i]! & 1) as 0 | 1
      prepare(cls, chosen[i + 1]!)
      const start = performance.now()
      const result = run()
      const took = performance.now() - start
      kept = result
      take(took, cls)
    }
  }
}

/** Whatever is computed is looked at, or it need not be computed. */
export let kept: unknown
