import { setTimeout as pause } from 'node:timers/promises'
import type { Flood } from '../flood.ts'
import { type Child, startChild } from '../harness/children.ts'
import { type RunningDaemon, startDaemon } from '../harness/daemons.ts'
import { atLeast, type Figure } from '../harness/figures.ts'
import { startFlood } from '../harness/flooding.ts'
import { socketState } from '../harness/kernel.ts'
import { writeJunk, writeWrongTags } from '../harness/packets.ts'
import { median, sampleOfRuns } from '../harness/stats.ts'
import { freePorts, gateDoor, makeWorld, type World } from '../harness/world.ts'
import type { Sink } from '../sink.ts'
import type { Context, Scenario } from './scenario.ts'

/** Rows 1 and 3: what a stranger's packet costs, and what the worst an eavesdropper can send does. */
export const junk: Scenario = {
  rows: [1, 3],
  title: 'junk refused, beside a bare dgram sink',
  async run(context) {
    const { sink, daemons, races, flood } = await prepare(context)
    try {
      for (let turn = 0; turn < WARM_UP_TURNS; turn++) {
        for (const receiver of [sink, ...races]) await take(receiver, flood, WARM_UP_MS)
      }
      const sinkRates: number[] = []
      for (let run = 0; run < (context.full ? FULL_RUNS : RUNS); run++) {
        sinkRates.push(await runAll(races, sink, flood))
      }
      const series = races.map(({ what, runs }) => [what, mediansOf(runs, ({ rate }) => rate)])
      context.plot('junk', Object.fromEntries([[sink.what, sinkRates], ...series]))
      return races.map(race => figureOf(race, sink))
    } finally {
      await Promise.all([flood, sink, ...daemons].map(child => child.stop()))
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
/** More than one: what was compiled for junk of one kind is compiled anew once the other has come. */
const WARM_UP_TURNS = 3
const WARM_UP_MS = 75
/** Between two looks at whether the buffer is empty. */
const LOOK_MS = 2

/** Someone who receives, and what they are sent. */
interface Receiver {
  readonly what: string
  readonly port: number
  readonly file: string
  /** Packets taken, and processor time used, so far. */
  read(): Promise<{ received: number; cpuMs: number }>
}

/** A receiver that is measured beside the sink. */
interface Race extends Receiver {
  readonly id: string
  readonly row: number
  /** The turns of each run. */
  readonly runs: Turn[][]
}

/** Packets for each second of processor time: what others do on the machine is not counted. */
interface Window {
  readonly rate: number
  /** More was sent than there was room for: else the sender was measured. */
  readonly flooded: boolean
}

/** A window of one's own, beside the sink's around it. */
interface Turn extends Window {
  readonly reference: number
}

/** A window of each in turn, and one of the sink between any two; the sink's own rate. */
async function runAll(
  races: readonly Race[],
  sink: Receiver,
  flood: Child<Flood>,
): Promise<number> {
  for (const { runs } of races) runs.push([])
  const sinkRates = [(await take(sink, flood)).rate]
  for (let turn = 0; turn < WINDOWS; turn++) {
    for (const race of rotated(races, turn)) {
      const own = await take(race, flood)
      const before = sinkRates.at(-1)!
      const { rate: after } = await take(sink, flood)
      sinkRates.push(after)
      race.runs.at(-1)!.push({ ...own, reference: (before + after) / 2 })
    }
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

interface Prepared {
  readonly sink: Receiver & Pick<Child<Sink>, 'stop'>
  readonly daemons: readonly RunningDaemon[]
  readonly races: readonly Race[]
  readonly flood: Child<Flood>
}

/** All start at once, the largest first: while it starts, there is time to make the others' files. */
async function prepare({ folder }: Context): Promise<Prepared> {
  const file = writeJunk(folder)
  const ports = await freePorts(2 * SIZES.length)
  const [sink, flood, ...largestFirst] = await Promise.all([
    startChild<Sink>('sink', { side: 'receiver' }),
    startFlood(),
    ...SIZES.toReversed().map((size, i) => contest(folder, size, file, ports.slice(2 * i))),
  ])
  const contests = largestFirst.toReversed()
  const { ask, stop } = sink
  const port = await ask('port')
  return {
    sink: { what: 'bare dgram sink', port, file, read: () => ask('usage'), stop },
    daemons: contests.map(({ daemon }) => daemon),
    races: contests.flatMap(({ races }) => races),
    flood,
  }
}

const SIZES = [
  { users: 1, devicesPerUser: 1 },
  { users: 100, devicesPerUser: 10 },
  { users: 1_000, devicesPerUser: 100 },
]

/** A daemon with so many devices, and its two races. */
async function contest(
  folder: string,
  size: (typeof SIZES)[number],
  junk: string,
  [port, gate]: readonly number[],
): Promise<{ daemon: RunningDaemon; races: Race[] }> {
  const devices = size.users * size.devicesPerUser
  const count = `${devices.toLocaleString('en-GB')} device${devices > 1 ? 's' : ''}`
  const door = gateDoor(`127.0.0.1:${gate}`, '127.0.0.1:9')
  const world = makeWorld({
    folder: `${folder}/${devices}`,
    ...size,
    door,
    backend: 'gate',
    port: port!,
  })
  const starting = startDaemon(world)
  const wrongTags = writeWrongTags(world.folder, world.users)
  const daemon = await starting
  return {
    daemon,
    races: [
      race(world, daemon, 1, `junk-${devices}`, `junk refused, ${count}`, junk),
      race(world, daemon, 3, `wrong-tag-${devices}`, `${WRONG_TAG} refused, ${count}`, wrongTags),
    ],
  }
}

const WRONG_TAG = 'right hint and wrong tag'

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
    ...{ id, what, row, port, file, runs: [] },
    async read() {
      const { packets, cpuMs } = await daemon.ask('counted')
      return { received: packets[stage], cpuMs }
    },
  }
}

function figureOf({ row, id, what, runs }: Race, sink: Receiver): Figure {
  const sample = (value: (turn: Turn) => number) => sampleOfRuns(runs.map(run => run.map(value)))
  const ratio = sample(({ rate, reference }) => rate / reference)
  const turns = runs.flat()
  const flooded = turns.filter(({ flooded }) => flooded).length
  return {
    row,
    id,
    what,
    value: sample(({ rate }) => rate),
    unit: '/s',
    reference: { what: sink.what, value: sample(({ reference }) => reference) },
    ratio,
    target: atLeast(ratio, row === 1 ? 0.9 : 0.5),
    ...(flooded < turns.length / 2 && { note: 'the sender could not send more than this' }),
  }
}

/** Nobody always comes first. */
const rotated = <T>(items: readonly T[], by: number): T[] =>
  items.map((_, i) => items[(i + by) % items.length]!)

const mediansOf = (runs: readonly Turn[][], value: (turn: Turn) => number): number[] =>
  runs.map(run => median(run.map(value)))
