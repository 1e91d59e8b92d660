import type { Histogram } from './histogram.ts'

/** The text format of Prometheus, version 0.0.4. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export type Labels = Readonly<Record<string, string>>

export type Metric =
  | {
      readonly kind: 'counter' | 'gauge'
      readonly name: string
      readonly help: string
      readonly samples: readonly (readonly [Labels, number])[]
    }
  | {
      readonly kind: 'histogram'
      readonly name: string
      readonly help: string
      readonly samples: readonly (readonly [Labels, Histogram])[]
    }

export const format = (metrics: readonly Metric[]): string => metrics.map(formatMetric).join('')

function formatMetric(metric: Metric): string {
  const { name, help, kind } = metric
  const lines =
    metric.kind === 'histogram'
      ? metric.samples.flatMap(([labels, histogram]) => ofHistogram(name, labels, histogram))
      : metric.samples.map(([labels, value]) => sample(name, labels, value))
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, ...lines, ''].join('\n')
}

function ofHistogram(name: string, labels: Labels, histogram: Histogram): string[] {
  const { upTo, sum } = histogram.read()
  return [
    ...upTo.map(([le, count]) => sample(`${name}_bucket`, { ...labels, le }, count)),
    sample(`${name}_sum`, labels, sum),
    sample(`${name}_count`, labels, upTo.at(-1)![1]),
  ]
}

/** Values of labels are names and codes of ours: nothing in them needs to be escaped. */
function sample(name: string, labels: Labels, value: number): string {
  const inside = Object.entries(labels).map(([label, text]) => `${label}="${text}"`)
  return `${name}${inside.length > 0 ? `{${inside.join(',')}}` : ''} ${value}`
}
