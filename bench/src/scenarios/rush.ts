import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type Child, startChild } from '../harness/children.ts'
import { startDaemon } from '../harness/daemons.ts'
import { atLeast } from '../harness/figures.ts'
import { settleDisk } from '../harness/scratch.ts'
import { ratios, sampleOf } from '../harness/stats.ts'
import { freePorts, gateDoor, makeWorld, type World } from '../harness/world.ts'
import type { Knocker } from '../knocker.ts'
import { knocksOf } from '../knocking/rush.ts'
import type { Scenario } from './scenario.ts'

/** Row 5: good knocks a second, each on disk before it is answered. */
export const rush: Scenario = {
  rows: [5],
  title: 'good knocks a second, with a durable ledger',
  async run(context) {
    const { runs, users } = context.full ? FULL : SHORT
    const [port, gate] = (await freePorts(2)) as [number, number]
    const door = gateDoor(`127.0.0.1:${gate}`, '127.0.0.1:9')
    const { folder } = context
    const world = makeWorld({ folder, users: (runs + 1) * users, door, backend: 'gate', port })
    const [daemon, knocker] = await Promise.all([
      startDaemon(world),
      startChild<Knocker>('knocker', { side: 'sender' }),
    ])
    const rates: number[] = []
    const syncs: number[] = []
    try {
      await knockRate(world, knocker, 0, users) // Compiled by now.
      settleDisk()
      for (let run = 1; run <= runs; run++) {
        rates.push(await knockRate(world, knocker, run * users, (run + 1) * users))
        syncs.push(await syncRate(join(folder, `lines-${run}`)))
      }
    } finally {
      await Promise.all([daemon.stop(), knocker.stop()])
    }
    return [
      {
        row: 5,
        id: 'good-knocks',
        what: `good knocks a second, end to end, ${CLIENTS} clients at once`,
        value: sampleOf(rates),
        unit: '/s',
        reference: { what: 'write and fdatasync for each line', value: sampleOf(syncs) },
        ratio: ratios(rates, syncs),
        target: atLeast(sampleOf(rates), 5_000, '/s'),
      },
    ]
  },
}

const CLIENTS = 512
const SOURCES = Array.from({ length: CLIENTS }, () => '0.0.0.0')
/** Users of a run: some half second of knocks. */
const SHORT = { runs: 3, users: 1_000 }
const FULL = { runs: 11, users: 2_000 }

/** Users of a run whose two codes in a row are the same, once in a million: the second is refused. */
const SAME_CODES = 2

async function knockRate(
  { users, host, port }: World,
  knocker: Child<Knocker>,
  from: number,
  to: number,
): Promise<number> {
  const rush = { users: users.slice(from, to), firstAddress: knocksOf(from), host, port }
  const { knocks, opened, perSecond } = await knocker.ask('rush', { ...rush, sources: SOURCES })
  if (knocks - opened > SAME_CODES) throw new Error(`${opened} of ${knocks} opened`)
  return perSecond
}

/** About as long as the ledger's line of a knock. */
const LINE = Buffer.alloc(800, 0x2e)
const LINES = 1_000

/** What a knock a line a sync would come to on this disk. */
async function syncRate(path: string): Promise<number> {
  const file = await open(path, 'wx')
  const start = performance.now()
  for (let i = 0; i < LINES; i++) {
    await file.write(LINE)
    await file.datasync()
  }
  const ms = performance.now() - start
  await file.close()
  return (LINES / ms) * 1000
}
