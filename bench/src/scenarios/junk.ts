import { setTimeout as pause } from 'node:timers/promises'
import type { Flood } from '../flood.ts'
import { type Child, startChild } from '../harness/children.ts'
import { type RunningDaemon, startDaemon } from '../harness/daemons.ts'
import { atLeast, type Figure } from '../harness/figures.ts'
import { startFlood } from '../harness/flooding.ts'
import { socketState } from '../harness/kernel.ts'
import { writeJunk, writeWrongTags } from '../harness/packets.ts'
import { ascending, quantile, sampleOf } from '../harness/stats.ts'
import { freePorts, gateDoor, makeWorld, type World } from '../harness/world.ts'
import type { Sink } from '../sink.ts'
import type { Context, Scenario } from './scenario.ts'

/** Rows 1 and 3: what a stranger's packet costs, and what the worst an eavesdropper can send does. */
export const junk: Scenario = {
  rows: [1, 3],
  title: 'junk refused, beside a bare dgram sink',
  async run(context) {
    const { sink, races } = await prepare(context)
    const flood = await startFlood()
    try {
      for (const receiver of [sink, ...races]) await take(receiver, flood, WARM_UP_MS) // Compiled by now.
      const sinkRates: number[] = []
      for (let run = 0; run < (context.full ? FULL_RUNS : RUNS); run++) {
        sinkRates.push(await runAll(races, sink, flood))
      }
      const series = races.map(({ what, runs }) => [what, runs.map(({ rate }) => rate)])
      context.plot('junk', Object.fromEntries([[sink.what, sinkRates], ...series]))
      return races.map(race => figureOf(race, sink))
    } finally {
      await flood.stop()
      await Promise.all([sink, ...races].map(({ stop }) => stop()))
    }
  },
}

const RUNS = 3
const FULL_RUNS = 15
/** Of each receiver in a run. */
const WINDOWS = 4
/**
 * For so long it is sent to; what is in its buffer by then it takes in the same window. So short, because
 * a virtual machine's speed may have changed a tenth of a second later.
 */
const WINDOW_MS = 30
const WARM_UP_MS = 500
/** Between two looks at whether the buffer is empty. */
const LOOK_MS = 2

/** Someone who receives, and what they are sent. */
interface Receiver {
  readonly what: string
  readonly port: number
  readonly file: string
  /** Packets taken, and processor time used, so far. */
  read(): Promise<{ received: number; cpuMs: number }>
  stop(): Promise<void>
}

/** A receiver that is measured beside the sink. */
interface Race extends Receiver {
  readonly id: string
  readonly row: number
  readonly runs: Run[]
}

/** The medians of a run's windows: rates, and ratios of each window to the sink's around it. */
interface Run {
  readonly rate: number
  readonly reference: number
  readonly ratio: number
  /** Windows in which more was sent than there was room for: else the sender was measured. */
  readonly flooded: number
}

/** Packets for each second of processor time: what others do on the machine is not counted. */
interface Window {
  readonly rate: number
  readonly flooded: boolean
}

/** A window of each in turn, and one of the sink between any two; the sink's own rate. */
async function runAll(
  races: readonly Race[],
  sink: Receiver,
  flood: Child<Flood>,
): Promise<number> {
  const windows = races.map((): { own: Window; reference: number }[] => [])
  const sinkRates = [(await take(sink, flood)).rate]
  for (let turn = 0; turn < WINDOWS; turn++) {
    for (const at of rotated([...races.keys()], turn)) {
      const own = await take(races[at]!, flood)
      const before = sinkRates.at(-1)!
      const { rate: after } = await take(sink, flood)
      sinkRates.push(after)
      windows[at]!.push({ own, reference: (before + after) / 2 })
    }
  }
  for (const [at, { runs }] of races.entries()) {
    const taken = windows[at]!
    runs.push({
      rate: median(taken.map(({ own }) => own.rate)),
      reference: median(taken.map(({ reference }) => reference)),
      ratio: median(taken.map(({ own, reference }) => own.rate / reference)),
      flooded: taken.filter(({ own }) => own.flooded).length,
    })
  }
  return median(sinkRates)
}

/** From before the first packet until the last one that found room is taken. */
async function take(
  { read, port, file }: Receiver,
  flood: Child<Flood>,
  ms = WINDOW_MS,
): Promise<Window> {
  const before = await read()
  const { sent } = await flood.ask('flood', { host: '127.0.0.1', port, ms, file })
  while ((socketState(port)?.waiting ?? 0) > 0) await pause(LOOK_MS)
  const after = await read()
  const received = after.received - before.received
  return {
    rate: (received / (after.cpuMs - before.cpuMs)) * 1000,
    flooded: received < sent,
  }
}

async function prepare({ folder }: Context): Promise<{ sink: Receiver; races: Race[] }> {
  const file = writeJunk(folder)
  const sink = await startChild<Sink>('sink', { side: 'receiver' })
  const races: Race[] = []
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
  const { ask, stop } = sink
  const port = await ask('port')
  return { sink: { what: 'bare dgram sink', port, file, read: () => ask('usage'), stop }, races }
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
    runs: [],
    async read() {
      const { packets, cpuMs } = await daemon.ask('counted')
      return { received: packets[stage], cpuMs }
    },
    stop: daemon.stop,
  }
}

function figureOf({ row, id, what, runs }: Race, sink: Receiver): Figure {
  const ratio = sampleOf(runs.map(({ ratio }) => ratio))
  const flooded = runs.reduce((sum, run) => sum + run.flooded, 0)
  return {
    row,
    id,
    what,
    value: sampleOf(runs.map(({ rate }) => rate)),
    unit: '/s',
    reference: { what: sink.what, value: sampleOf(runs.map(({ reference }) => reference)) },
    ratio,
    target: atLeast(ratio, row === 1 ? 0.9 : 0.5),
    ...(flooded < (runs.length * WINDOWS) / 2 && {
      note: 'the sender could not send more than this',
    }),
  }
}

/** Nobody always comes first. */
const rotated = <T>(items: readonly T[], by: number): T[] =>
  items.map((_, i) => items[(i + by) % items.length]!)

const median = (values: readonly number[]): number => quantile(ascending(values), 0.5)
