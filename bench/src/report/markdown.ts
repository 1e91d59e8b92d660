import { type Figure, formatRatio, formatSample } from '../harness/figures.ts'
import type { Machine } from '../harness/machine.ts'
import type { Results } from './results.ts'

/** For people: the table, what it was measured on, and what is missing from it. */
export function toMarkdown(results: Results): string {
  const { at, full, machine, figures, skipped, failed } = results
  return [
    `${at.slice(0, 10)}, ${full ? 'full' : 'short'} run. ${describe(machine)}`,
    '',
    '| # | what | result | beside it | ratio | target | |',
    '|---|---|---|---|---|---|---|',
    ...figures.map(row),
    '',
    LEGEND,
    ...listed('Skipped', skipped),
    ...listed('Failed', failed),
    '',
  ].join('\n')
}

const LEGEND = `Each figure is the median of several runs; ± is half the distance between the quartiles: half of
the runs lie within it. Ratios are taken run by run, each with the reference of its own round. Rates of junk (1–3) count
packets for each second of the receiving process's own processor time, so that other work on the
machine is not taken for slowness.`

function row(figure: Figure): string {
  const { row, what, value, unit, reference, ratio, target, note } = figure
  const cells = [
    `${row}`,
    note ? `${what} (${note})` : what,
    formatSample(value, unit),
    reference ? `${formatSample(reference.value, unit)}: ${reference.what}` : '',
    ratio ? formatRatio(ratio) : '',
    target?.text ?? '',
    target ? (target.met ? 'met' : '**not met**') : '',
  ]
  return `| ${cells.join(' | ')} |`
}

export function describe(machine: Machine): string {
  const { cpu, cores, memoryGB, system, node, filesystem, load, receiveBuffer } = machine
  const buffer = receiveBuffer ? `, receive buffers up to ${receiveBuffer / 1024} KiB` : ''
  return `${cpu}, ${cores} cores, ${memoryGB} GB; ${system}; Node ${node}; ledgers on ${filesystem}${buffer}; load before the run ${load}.`
}

function listed(title: string, items: Results['skipped']): string[] {
  return items.length === 0
    ? []
    : ['', `${title}:`, ...items.map(({ what, why }) => `- ${what}: ${why}`)]
}
