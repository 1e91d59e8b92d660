import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Flood, FloodJob } from '../flood.ts'
import type { Child } from '../harness/children.ts'
import { type RunningDaemon, startDaemon } from '../harness/daemons.ts'
import { atLeast, type Figure } from '../harness/figures.ts'
import { startFlood } from '../harness/flooding.ts'
import { type Fwknopd, lacksFwknop, startFwknopd } from '../harness/fwknop.ts'
import { cpuMsOf, socketState } from '../harness/kernel.ts'
import { makeNetwork, type Network } from '../harness/netns.ts'
import { writeJunk } from '../harness/packets.ts'
import { ratios, sampleOf } from '../harness/stats.ts'
import { freePorts, gateDoor, makeWorld } from '../harness/world.ts'
import type { Context, Scenario } from './scenario.ts'

/** Row 2: junk refused, beside fwknopd with as many access stanzas as there are devices. */
export const fwknopJunk: Scenario = {
  rows: [2],
  title: 'junk refused, beside fwknopd',
  lacks: lacksFwknop,
  async run(context) {
    const network = makeNetwork(1)
    const floods = await Promise.all([
      startFlood(),
      startFlood({ through: network.server, segmented: false }),
    ])
    try {
      const figures: Figure[] = []
      for (const [devices, least] of SIZES) {
        figures.push(await compare(context, network, floods, devices, least))
      }
      return figures
    } finally {
      await Promise.all(floods.map(flood => flood.stop()))
      network.remove()
    }
  },
}

/** Devices or stanzas, and how many times faster oneknock is to be. */
const SIZES = [
  [1, 2],
  [1_000, 500],
] as const
const ROUNDS = 3
const FULL_ROUNDS = 8
const WINDOW_MS = 250
const FULL_WINDOW_MS = 500
/** The right size for fwknop: of its own packets, in its alphabet. */
const PEER_BYTES = 226
const PEER_PACKETS = 4_096
/** More than it refuses with this many stanzas, and no more than the sender has to bear. */
const PEER_RATE = new Map<number, number>([[1_000, 5_000]])

async function compare(
  context: Context,
  network: Network,
  [flood, peerFlood]: readonly [Child<Flood>, Child<Flood>],
  devices: number,
  least: number,
): Promise<Figure> {
  const folder = `${context.folder}/${devices}`
  mkdirSync(`${folder}/peer`, { recursive: true })
  const [port, gate] = (await freePorts(2)) as [number, number]
  const door = gateDoor(`127.0.0.1:${gate}`, '127.0.0.1:9')
  const world = makeWorld({ folder, users: devices, door, backend: 'gate', port })
  const [daemon, fwknopd] = await Promise.all([
    startDaemon(world),
    startFwknopd(`${folder}/peer`, network, devices),
  ])
  try {
    const junk = writeJunk(folder)
    const peerJunk = writePeerJunk(folder)
    const ours: number[] = []
    const theirs: number[] = []
    const ms = context.full ? FULL_WINDOW_MS : WINDOW_MS
    const job = { host: '127.0.0.1', port, file: junk, ms }
    const peerJob = {
      ...{ host: '127.0.0.1', port: fwknopd.port, file: peerJunk, ms, bytes: PEER_BYTES },
      ...(PEER_RATE.has(devices) && { rate: PEER_RATE.get(devices)! }),
    }
    await oursRefused(daemon, flood, { ...job, ms: FULL_WINDOW_MS }) // Compiled by now.
    for (let round = 0; round < (context.full ? FULL_ROUNDS : ROUNDS); round++) {
      ours.push(await oursRefused(daemon, flood, job))
      theirs.push(await theirsRefused(fwknopd, peerFlood, network, peerJob))
    }
    const ratio = ratios(ours, theirs)
    const count = devices.toLocaleString('en-GB')
    return {
      row: 2,
      id: `junk-fwknop-${devices}`,
      what: `junk refused, ${count} ${devices > 1 ? 'devices' : 'device'}`,
      value: sampleOf(ours),
      unit: '/s',
      reference: {
        what: `fwknopd, ${count} ${devices > 1 ? 'stanzas' : 'stanza'}`,
        value: sampleOf(theirs),
      },
      ratio,
      target: atLeast(ratio, least, '×'),
    }
  } finally {
    await Promise.all([daemon.stop(), fwknopd.stop()])
  }
}

/** Packets for each second of processor time. */
async function oursRefused(
  daemon: RunningDaemon,
  flood: Child<Flood>,
  job: FloodJob,
): Promise<number> {
  const before = await read(daemon)
  await flood.ask('flood', job)
  const after = await read(daemon)
  return ((after.refused - before.refused) / (after.cpuMs - before.cpuMs)) * 1000
}

async function read(daemon: RunningDaemon): Promise<{ refused: number; cpuMs: number }> {
  const { hint } = await daemon.packets()
  return { refused: hint, cpuMs: cpuMsOf(daemon.pid) }
}

/** The same for fwknopd, which does not count: what was sent, less what found no room. */
async function theirsRefused(
  { pid, port }: Fwknopd,
  flood: Child<Flood>,
  { server }: Network,
  job: FloodJob,
): Promise<number> {
  const before = { cpuMs: cpuMsOf(pid), ...socketState(port, server)! }
  const { sent } = await flood.ask('flood', job)
  let after = socketState(port, server)!
  while (after.waiting > 0) {
    await pause(10)
    after = socketState(port, server)!
  }
  return ((sent - (after.dropped - before.dropped)) / (cpuMsOf(pid) - before.cpuMs)) * 1000
}

function writePeerJunk(folder: string): string {
  const file = `${folder}/peer-junk`
  const text = randomBytes(PEER_PACKETS * PEER_BYTES)
    .toString('base64')
    .replaceAll('=', 'A')
  writeFileSync(file, text.slice(0, PEER_PACKETS * PEER_BYTES))
  return file
}
