import { setTimeout as pause } from 'node:timers/promises'
import type { Flood } from '../flood.ts'
import { type Child, startChild } from '../harness/children.ts'
import { type RunningDaemon, startDaemon } from '../harness/daemons.ts'
import { atLeast, type Figure } from '../harness/figures.ts'
import { startFlood } from '../harness/flooding.ts'
import { writeJunk, writeWrongTags } from '../harness/packets.ts'
import { ratios, sampleOf } from '../harness/stats.ts'
import { freePorts, gateDoor, makeWorld, type World } from '../harness/world.ts'
import type { Sink } from '../sink.ts'
import type { Context, Scenario } from './scenario.ts'

/** Rows 1 and 3: what a stranger's packet costs, and what the worst an eavesdropper can send does. */
export const junk: Scenario = {
  rows: [1, 3],
  title: 'junk refused, beside a bare dgram sink',
  async run(context) {
    const races = await prepare(context)
    const flood = await startFlood()
    try {
      const rounds = context.full ? 15 : 7
      for (const race of races) await measure(race, flood, WARM_UP_MS) // Code is compiled by now.
      for (let round = 0; round < rounds; round++) {
        for (const race of rotated(races, round)) {
          race.rates.push(await measure(race, flood, WINDOW_MS))
        }
      }
      const [sink, ...daemons] = races as [Race, ...Race[]]
      context.plot('junk', Object.fromEntries(races.map(({ what, rates }) => [what, rates])))
      return daemons.map(race => figureOf(race, sink))
    } finally {
      await flood.stop()
      await Promise.all(races.map(({ stop }) => stop()))
    }
  },
}

const WARM_UP_MS = 500
const WINDOW_MS = 500
/** The flood begins before the window and outlasts it. */
const MARGIN_MS = 60

/** A receiver and what it is sent; all take turns, so that what drifts hits each alike. */
interface Race {
  readonly id: string
  readonly what: string
  readonly row: number
  readonly port: number
  readonly file: string
  readonly rates: number[]
  /** Whether more was sent than it could take: else the sender was measured. */
  saturated: boolean
  /** Packets taken, and processor time used, so far. */
  read(): Promise<{ received: number; cpuMs: number }>
  stop(): Promise<void>
}

async function prepare({ folder }: Context): Promise<Race[]> {
  const file = writeJunk(folder)
  const sink = await startChild<Sink>('sink', { side: 'receiver' })
  const races: Race[] = [
    {
      id: 'sink',
      what: 'bare dgram sink',
      row: 0,
      port: await sink.ask('port'),
      file,
      rates: [],
      saturated: true,
      read: () => sink.ask('usage'),
      stop: sink.stop,
    },
  ]
  for (const { users, devicesPerUser } of SIZES) {
    const devices = users * devicesPerUser
    const [port, gate] = (await freePorts(2)) as [number, number]
    const door = gateDoor(`127.0.0.1:${gate}`, '127.0.0.1:9')
    const world = makeWorld({
      folder: `${folder}/${devices}`,
      users,
      devicesPerUser,
      door,
      backend: 'gate',
      port,
    })
    const daemon = await startDaemon(world)
    const count = `${devices.toLocaleString('en-GB')} device${devices > 1 ? 's' : ''}`
    races.push(
      race(world, daemon, 1, `junk-${devices}`, `junk refused, ${count}`, file),
      race(
        world,
        daemon,
        3,
        `wrong-tag-${devices}`,
        `right hint and wrong tag refused, ${count}`,
        writeWrongTags(world.folder, world.users),
      ),
    )
  }
  return races
}

const SIZES = [
  { users: 1, devicesPerUser: 1 },
  { users: 100, devicesPerUser: 10 },
  { users: 1_000, devicesPerUser: 100 },
]

function race(
  { port }: World,
  daemon: RunningDaemon,
  row: number,
  id: string,
  what: string,
  file: string,
): Race {
  const stage = row === 1 ? 'hint' : 'tag'
  return {
    id,
    what,
    row,
    port,
    file,
    rates: [],
    saturated: true,
    async read() {
      const [packets, { cpuMs }] = await Promise.all([daemon.packets(), daemon.ask('usage')])
      return { received: packets[stage], cpuMs }
    },
    stop: daemon.stop,
  }
}

/** Packets for each second of processor time: what others do on the machine is not counted. */
async function measure(race: Race, flood: Child<Flood>, ms: number): Promise<number> {
  const flooding = flood.ask('flood', {
    host: '127.0.0.1',
    port: race.port,
    ms: ms + 2 * MARGIN_MS,
    file: race.file,
  })
  await pause(MARGIN_MS)
  const before = await race.read()
  await pause(ms)
  const after = await race.read()
  const flooded = await flooding
  const received = after.received - before.received
  race.saturated &&= received / ms < flooded.sent / flooded.ms
  return (received / (after.cpuMs - before.cpuMs)) * 1000
}

function figureOf(race: Race, sink: Race): Figure {
  const ratio = ratios(race.rates, sink.rates)
  return {
    row: race.row,
    id: race.id,
    what: race.what,
    value: sampleOf(race.rates),
    unit: '/s',
    reference: { what: sink.what, value: sampleOf(sink.rates) },
    ratio,
    target: atLeast(ratio, race.row === 1 ? 0.9 : 0.5),
    ...(!race.saturated && { note: 'the sender could not send more than this' }),
  }
}

/** Nobody always comes first. */
const rotated = <T>(items: readonly T[], by: number): T[] =>
  items.map((_, i) => items[(i + by) % items.length]!)
