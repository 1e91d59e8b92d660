/**
 * `npm run test:load`: 25 minutes of everything at once, and ten thousand grants that live at once.
 * `-- --seconds N --grants N --nftables` (that one as root; in a network namespace of its own).
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { fullHouse } from './house.ts'
import { growth } from './memory.ts'
import { goodRate, soak } from './soak.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '1500' },
    people: { type: 'string', default: '1000' },
    grants: { type: 'string', default: '10000' },
    /** By when all of them have to be in. */
    lifetime: { type: 'string', default: '180' },
    nftables: { type: 'boolean', default: false },
    /** Said by itself to itself: that nothing else is in this network namespace. */
    alone: { type: 'boolean', default: false },
    program: {
      type: 'string',
      default: fileURLToPath(new URL('../../server/dist/main.js', import.meta.url)),
    },
  },
})
const { program, nftables } = values
// A guard outlives its daemon, as it should: this one is not to stay in the firewall of whoever measures.
if (nftables && !values.alone) process.exit(runAlone())
const say = (line: string) => process.stdout.write(`${line}\n`)

if (Number(values.grants) > 0) {
  const [grants, lifetime] = [Number(values.grants), Number(values.lifetime)]
  const house = await fullHouse({ program, grants, lifetime, nftables })
  say(`${grants} grants that live at once (${nftables ? 'nftables' : 'gate'})`)
  say(`  memory: ${house.empty} MiB without, ${house.full} with, ${house.after} after them`)
  say(
    `  ready ${house.restart} ms after a start with all of them, ${house.restartCpu} ms of them at work`,
  )
  say(`  ended: median ${house.late.median} ms late, at most ${house.late.most} ms`)
  const looks = nftables ? ` (and ${house.looks} looks at who is live, as ever)` : ''
  say(`  processes started for it: ${house.forked}${looks}`)
  if (house.late.most > 1000 || house.forked > 0) process.exitCode = 1
}
if (Number(values.seconds) > 0) {
  const [seconds, people] = [Number(values.seconds), Number(values.people)]
  const { violations, rss, ...counts } = await soak({ program, seconds, people })
  const rate = Math.floor(goodRate(seconds))
  say(`${seconds} s of junk, replays and good knocks (at most ${rate} good ones a second)`)
  for (const [name, count] of Object.entries(counts)) say(`  ${name}: ${count}`)
  say(`  memory in MiB: ${rss.join(' ')}`)
  const grown = growth(rss)
  if (grown) violations.push(grown)
  for (const violation of violations) say(`VIOLATION ${violation}`)
  if (violations.length > 0) process.exitCode = 1
}

/** All of this once more where only loopback is; its exit status. */
function runAlone(): number {
  const again = [
    process.execPath,
    fileURLToPath(import.meta.url),
    ...process.argv.slice(2),
    '--alone',
  ]
  const inside = ['sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...again]
  const { status, error } = spawnSync('unshare', ['--net', ...inside], { stdio: 'inherit' })
  if (error) throw error
  return status ?? 1
}
