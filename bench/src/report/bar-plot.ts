import { formatNumber } from '../harness/figures.ts'
import { sampleOf } from '../harness/stats.ts'
import type { PlotSeries } from '../scenarios/scenario.ts'
import { colour, line, picture, short, TOP, text, WIDTH } from './svg.ts'

const LEFT = 250
const RIGHT = 90
const ROW = 34
const BAR = 18

/** A bar for each median, with a line from the lowest run to the highest. */
export function barPlot(title: string, unit: string, series: PlotSeries): string {
  const bars = Object.entries(series).map(([name, values]) => ({ name, ...sampleOf(values) }))
  const most = Math.max(...bars.map(({ high }) => high))
  const x = (value: number) => LEFT + (value / most) * (WIDTH - LEFT - RIGHT)
  const height = TOP + bars.length * ROW + 30
  return picture(title, height, [
    ...bars.flatMap(({ name, median, low, high }, i) => {
      const y = TOP + i * ROW
      const middle = y + BAR / 2
      return [
        text(LEFT - 10, middle + 5, name, 'text-anchor="end"'),
        `<rect x="${LEFT}" y="${y}" width="${short(x(median) - LEFT)}" height="${BAR}" fill="${colour(i === 0 ? 5 : 0)}"/>`,
        line(x(low), middle, x(high), middle, '#222222'),
        text(x(high) + 8, middle + 5, formatNumber(median)),
      ]
    }),
    text(LEFT, height - 12, unit, 'fill-opacity="0.7"'),
  ])
}
