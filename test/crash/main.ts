/**
 * `npm run test:crash`: the daemon is killed a thousand times and held to every promise that its
 * clients heard. `-- --kills N --seed S --nftables` (that one in a network namespace, as root).
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { crash, type Figures } from './harness.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    nftables: { type: 'boolean', default: false },
    program: {
      type: 'string',
      default: fileURLToPath(new URL('../../server/dist/main.js', import.meta.url)),
    },
  },
})
const PROGRESS_EVERY = 50

const say = (line: string) => process.stdout.write(`${line}\n`)

const started = performance.now()
const figures = await crash({
  program: values.program,
  kills: Number(values.kills),
  seed: Number(values.seed),
  nftables: values.nftables,
  onProgress: ({ kills, opened, packets }) => {
    if (kills % PROGRESS_EVERY === 0) say(`${kills} kills, ${packets} packets, ${opened} opened`)
  },
})
report(figures)
process.exitCode = figures.violations.length > 0 ? 1 : 0

function report({ starts, violations, latestCommand, ...counts }: Figures): void {
  const sorted = starts.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
  say(`seed ${values.seed}, ${Math.round((performance.now() - started) / 1000)} s`)
  for (const [name, count] of Object.entries(counts)) say(`  ${name}: ${count}`)
  say(`  ready after: median ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms`)
  say(`  the latest command closed ${latestCommand} ms late`)
  for (const violation of violations) say(`VIOLATION ${violation}`)
}
