import { formatNumber } from '../harness/figures.ts'
import { ascending } from '../harness/stats.ts'
import type { PlotSeries } from '../scenarios/scenario.ts'
import { colour, line, picture, short, TOP, text, WIDTH } from './svg.ts'

const LEFT = 60
const RIGHT = 210
const PLOT_HEIGHT = 240
const PARTS = [0, 0.25, 0.5, 0.75, 1]

/** What part of each series lies below a value, on a logarithmic scale. */
export function distributionPlot(title: string, unit: string, series: PlotSeries): string {
  const curves = Object.entries(series).map(([name, values]) => ({
    name,
    all: values.length,
    values: ascending(values.filter(Number.isFinite)),
  }))
  const every = curves.flatMap(({ values }) => values)
  const first = Math.floor(Math.log10(Math.min(...every)))
  const last = Math.ceil(Math.log10(Math.max(...every)))
  const x = (value: number) =>
    LEFT + ((Math.log10(value) - first) / (last - first)) * (WIDTH - LEFT - RIGHT)
  const y = (part: number) => TOP + (1 - part) * PLOT_HEIGHT
  const decades = Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i))
  return picture(title, TOP + PLOT_HEIGHT + 50, [
    ...PARTS.flatMap(part => [
      line(LEFT, y(part), WIDTH - RIGHT, y(part)),
      text(LEFT - 8, y(part) + 4, `${part * 100} %`, 'text-anchor="end"'),
    ]),
    ...decades.flatMap(value => [
      line(x(value), TOP, x(value), y(0)),
      text(x(value), y(0) + 18, formatNumber(value), 'text-anchor="middle"'),
    ]),
    text((LEFT + WIDTH - RIGHT) / 2, y(0) + 38, unit, 'text-anchor="middle"'),
    ...curves.flatMap(({ name, all, values }, i) => [
      `<polyline fill="none" stroke="${colour(i)}" stroke-width="2" points="${values
        .map((value, at) => `${short(x(value))},${short(y((at + 1) / all))}`)
        .join(' ')}"/>`,
      line(WIDTH - RIGHT + 16, TOP + i * 22, WIDTH - RIGHT + 40, TOP + i * 22, colour(i)),
      text(WIDTH - RIGHT + 48, TOP + i * 22 + 5, name),
    ]),
  ])
}
