import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { PlotName, PlotSeries } from '../scenarios/scenario.ts'
import { barPlot } from './bar-plot.ts'
import { distributionPlot } from './distribution-plot.ts'
import { toJson } from './json.ts'
import { toMarkdown } from './markdown.ts'
import type { Results } from './results.ts'

/** `bench/`, seen from `bench/dist/`, where this is bundled to. */
const FOLDER = fileURLToPath(new URL('..', import.meta.url))

/** Keeps a run beside the bench, for people, for programs and for the README. */
export function save(results: Results): void {
  mkdirSync(`${FOLDER}/plots`, { recursive: true })
  const drawn = Object.entries(results.plots) as [PlotName, PlotSeries][]
  for (const [name, series] of drawn) writeFileSync(plotFile(name), PLOTS[name](series))
  const pictures = drawn.map(([name]) => `![${ALT[name]}](plots/${name}.svg)`)
  const text = [INTRODUCTION, toMarkdown(results), ...pictures, ''].join('\n')
  writeFileSync(`${FOLDER}/RESULTS.md`, text)
  writeFileSync(`${FOLDER}/RESULTS.json`, toJson(results))
}

const INTRODUCTION = `# Results

Written by \`npm run bench -- --save\`; \`npm run bench\` says the same of your machine.
`

const plotFile = (name: PlotName): string => `${FOLDER}/plots/${name}.svg`

const ALT: Readonly<Record<PlotName, string>> = {
  junk: 'Junk refused a second',
  latency: 'From the packet sent to the port open',
  'under-junk': 'Until the answer, calm and under a flood',
}

const PLOTS: Readonly<Record<PlotName, (series: PlotSeries) => string>> = {
  junk: series => barPlot(ALT.junk, 'packets for each second of one core', series),
  latency: series => distributionPlot(ALT.latency, 'milliseconds', series),
  'under-junk': series => distributionPlot(ALT['under-junk'], 'milliseconds', series),
}
