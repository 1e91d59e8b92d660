import { setTimeout as pause } from 'node:timers/promises'
import { type Child, startChild } from '../harness/children.ts'
import { type RunningDaemon, startDaemon, untilIdle } from '../harness/daemons.ts'
import { atMost, type Figure, formatSample } from '../harness/figures.ts'
import { type Sample, sampleOf } from '../harness/stats.ts'
import { freePorts, gateDoor, makeWorld } from '../harness/world.ts'
import type { Pulse } from '../pulse.ts'
import type { Context, Scenario } from './scenario.ts'

/** Row 10: what 100,000 devices cost a daemon that nobody knocks at. */
export const devices: Scenario = {
  rows: [10],
  title: '100,000 devices: start, memory, stalls while hints are made',
  async run(context) {
    const pulse = await startChild<Pulse>('pulse', { side: 'alone' })
    const one = await measure(context, pulse, { users: 1, devicesPerUser: 1 })
    const many = await measure(context, pulse, { users: 1_000, devicesPerUser: 100 })
    await pulse.stop()
    const reference = (sample: Sample) => ({ what: '1 device', value: sample })
    const figure = (id: keyof Figures, what: string, unit: 'ms' | 'MB', most: number): Figure => ({
      row: 10,
      id: `devices-${id}`,
      what,
      value: many[id],
      unit,
      reference: reference(one[id]),
      target: atMost(many[id], most, ` ${unit}`),
    })
    const bare = formatSample(many.bareStall, 'ms')
    return [
      figure('start', 'from the start of the process until it is ready', 'ms', 3_000),
      figure('memory', 'resident memory once ready', 'MB', 250),
      {
        ...figure('stall', "longest stall while the next minute's hints are made", 'ms', 5),
        note: `that of a process that only counts for half a millisecond at a time, in the same seconds: ${bare}`,
      },
    ]
  },
}

interface Figures {
  readonly start: Sample
  readonly memory: Sample
  readonly stall: Sample
}

interface Costs extends Figures {
  /** Of a process beside it that does next to nothing. */
  readonly bareStall: Sample
}

async function measure(
  { folder, full }: Context,
  pulse: Child<Pulse>,
  size: { readonly users: number; readonly devicesPerUser: number },
): Promise<Costs> {
  const [port, gate] = (await freePorts(2)) as [number, number]
  const door = gateDoor(`127.0.0.1:${gate}`, '127.0.0.1:9')
  const world = makeWorld({
    folder: `${folder}/${size.users}`,
    ...size,
    door,
    backend: 'gate',
    port,
  })
  const starts = full ? 4 : 2
  const runs = { start: [] as number[], memory: [] as number[], stall: [] as number[] }
  const bareStall: number[] = []
  for (let run = 0; run < starts; run++) {
    const daemon = await startDaemon(world, { side: 'alone', output: `${world.folder}/log-${run}` })
    runs.start.push(daemon.startedInMs)
    runs.memory.push((await daemon.ask('resident')) / 1e6)
    await pause(SETTLE_MS)
    for (let turn = 0; turn < (full ? FULL_TURNS : TURNS); turn++) {
      runs.stall.push(await longestStall(daemon, pulse))
      bareStall.push(await pulse.ask('longestStall'))
    }
    await daemon.stop()
  }
  return {
    start: sampleOf(runs.start),
    memory: sampleOf(runs.memory),
    stall: sampleOf(runs.stall),
    bareStall: sampleOf(bareStall),
  }
}

/** Until what follows a start, such as its rehearsal, has begun. */
const SETTLE_MS = 500
const TURNS = 1
const FULL_TURNS = 3

/** At a minute's turn, to which the daemon's clock is set forward. */
async function longestStall(daemon: RunningDaemon, pulse: Child<Pulse>): Promise<number> {
  await daemon.ask('collect')
  await untilIdle(daemon)
  await Promise.all([daemon.ask('watchStalls'), pulse.ask('watchStalls')])
  await daemon.ask('turnMinute')
  return daemon.ask('longestStall')
}
