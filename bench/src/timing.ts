/** `npm run timing -w @oneknock/bench`: whether time tells what it must not. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { keepOn } from './harness/cores.ts'
import { formatNumber } from './harness/figures.ts'
import { describeMachine } from './harness/machine.ts'
import { describe } from './report/markdown.ts'
import { type Measured, measure, T_MAX } from './timing/measure.ts'
import { subjects } from './timing/subjects.ts'

const INTRODUCTION = `# Constant time, measured

Written by \`npm run bench:timing -- --save\`. Two classes of inputs are run in random order; Welch's
t-test, over all times and over those below each of fifty percentiles, says whether they differ. The
greatest |t| of them counts. Sixty-four secrets take turns, each with an input of either class. What is
beyond the limit is measured twice more with other secrets, and the middle |t| of the three counts: what
leaks does so each time.
`

/** Of each class. */
const SAMPLES = 1_000_000
const FILE = fileURLToPath(new URL('../TIMING.md', import.meta.url))

const { values } = parseArgs({
  options: {
    samples: { type: 'string', default: `${SAMPLES}` },
    save: { type: 'boolean', default: false },
  },
})
const machine = describeMachine()
keepOn('receiver')
const measured: Measured[] = []
for (const subject of subjects()) {
  process.stderr.write(`${subject.what}: ${subject.classes.join(' or ')}\n`)
  measured.push(measure(subject, Number(values.samples)))
}
const text = [
  `${new Date().toISOString().slice(0, 10)}. ${describe(machine)}`,
  '',
  '| what | classes | samples of each | greatest \\|t\\| | wanted | |',
  '|---|---|---|---|---|---|',
  ...measured.map(row),
  '',
].join('\n')
process.stdout.write(text)
if (values.save) writeFileSync(FILE, `${INTRODUCTION}\n${text}`)
process.exitCode = measured.every(({ passed }) => passed) ? 0 : 1

function row({ what, classes, samples, ts, planted, passed }: Measured): string {
  const wanted = `${planted ? 'above' : 'below'} ${T_MAX}`
  const cells = [
    what,
    classes.join(' or '),
    formatNumber(samples),
    ts.map(formatNumber).join(', then '),
    wanted,
  ]
  return `| ${[...cells, passed ? 'met' : '**not met**'].join(' | ')} |`
}
