import { mkdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { startChild } from '../harness/children.ts'
import { startDaemon } from '../harness/daemons.ts'
import { atLeast } from '../harness/figures.ts'
import { ratios, sampleOf } from '../harness/stats.ts'
import { freePorts, gateDoor, makeWorld } from '../harness/world.ts'
import type { Knocker } from '../knocker.ts'
import type { Scenario } from './scenario.ts'

/** Row 5: good knocks a second, each on disk before it is answered. */
export const rush: Scenario = {
  rows: [5],
  title: 'good knocks a second, with a durable ledger',
  async run(context) {
    const rates: number[] = []
    const syncs: number[] = []
    for (let run = 0; run < (context.full ? 7 : 3); run++) {
      const folder = join(context.folder, `${run}`)
      mkdirSync(folder)
      rates.push(await knockRate(folder, context.full ? 6_000 : 3_000))
      syncs.push(await syncRate(folder))
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
/** A second's worth. */
const WARM_UP = 3_000

async function knockRate(folder: string, users: number): Promise<number> {
  const [port, gate] = (await freePorts(2)) as [number, number]
  const door = gateDoor(`127.0.0.1:${gate}`, '127.0.0.1:9')
  const world = makeWorld({ folder, users, door, backend: 'gate', port })
  const daemon = await startDaemon(world)
  const knocker = await startChild<Knocker>('knocker', { side: 'sender' })
  try {
    const { users, host } = world
    const rush = { users, warmUp: WARM_UP, host, port, clients: CLIENTS }
    const { opened, perSecond } = await knocker.ask('rush', rush)
    if (opened !== 2 * users.length) throw new Error(`${opened} of ${2 * users.length} opened`)
    return perSecond
  } finally {
    await Promise.all([daemon.stop(), knocker.stop()])
  }
}

/** About as long as the ledger's line of a knock. */
const LINE = Buffer.alloc(800, 0x2e)
const LINES = 1_000

/** What a knock a line a sync would come to on this disk. */
async function syncRate(folder: string): Promise<number> {
  const file = await open(join(folder, 'lines'), 'wx')
  const start = performance.now()
  for (let i = 0; i < LINES; i++) {
    await file.write(LINE)
    await file.datasync()
  }
  const ms = performance.now() - start
  await file.close()
  return (LINES / ms) * 1000
}
