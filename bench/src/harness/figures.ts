import { type Sample, spreadOf } from './stats.ts'

/** One line of the results: a number, what it stands beside, and what was aimed at. */
export interface Figure {
  /** The row of the table of targets. */
  readonly row: number
  /** Short and stable: programs that read the JSON find a figure by it. */
  readonly id: string
  readonly what: string
  readonly value: Sample
  readonly unit: Unit
  readonly reference?: { readonly what: string; readonly value: Sample }
  /** Value by reference, run by run. */
  readonly ratio?: Sample
  readonly target?: Target
  /** What a reader must know to read the number right. */
  readonly note?: string
}

export interface Target {
  readonly text: string
  readonly met: boolean
}

export type Unit = '/s' | 'ms' | 'µs' | 'ns' | 'MB' | 'bytes' | '%' | 'of 500'

export const atLeast = (sample: Sample, least: number, unit = ''): Target => ({
  text: `≥ ${formatNumber(least)}${unit}`,
  met: sample.median >= least,
})

export const atMost = (sample: Sample, most: number, unit = ''): Target => ({
  text: `≤ ${formatNumber(most)}${unit}`,
  met: sample.median <= most,
})

/** Three digits are what such a measurement is worth. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return 'never'
  const size = Math.abs(value)
  const rounded = size >= 100 ? Math.round(value) : Number(value.toPrecision(3))
  return rounded.toLocaleString('en-GB', { maximumFractionDigits: 6 })
}

export const formatRatio = (sample: Sample): string =>
  `${formatNumber(sample.median)}${formatSpread(sample)}`

const formatSpread = (sample: Sample): string =>
  sample.runs > 1 ? ` ± ${Math.round(spreadOf(sample) * 100)} %` : ''

export const formatSample = (sample: Sample, unit: Unit): string => {
  if (!Number.isFinite(sample.median)) return 'never'
  const space = unit === '/s' || unit === '%' ? '' : ' '
  return `${formatNumber(sample.median)}${space}${unit}${formatSpread(sample)}`
}
