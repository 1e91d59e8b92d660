import { setTimeout as pause } from 'node:timers/promises'
import { startChild } from '../harness/children.ts'
import { untilIdle } from '../harness/daemons.ts'
import { atLeast, atMost, type Figure } from '../harness/figures.ts'
import { lacksFwknop } from '../harness/fwknop.ts'
import { fwknopSite } from '../harness/fwknop-site.ts'
import { gateSite, lacksLoopback, lacksNft, nftablesSite, type Site } from '../harness/site.ts'
import { ascending, quantile, ratios, sampleOf } from '../harness/stats.ts'
import type { Parts } from '../parts.ts'
import type { Context, Ground, Scenario } from './scenario.ts'

/** Row 6: from the packet's leaving to the service's first answer through the open door. */
export const latency: Scenario = {
  rows: [6],
  title: 'packet sent to port open: gate, nftables, fwknop',
  lacks: lacksLoopback,
  async run(context) {
    const gate = await series(context, 'gate', gateSite)
    context.plot('latency', { gate: gate.warm.flat() })
    const figures = [...quantiles('gate', 'gate, sent to first answer through it', gate.warm)]
    const nftLacks = lacksNft()
    if (nftLacks) {
      context.skip('packet sent to port open, nftables and fwknop', nftLacks)
      return figures
    }
    const nft = await series(context, 'nftables', nftablesSite)
    context.plot('latency', { nftables: nft.warm.flat() })
    const alone = await partsAlone(context)
    figures.push(
      ...beside(quantiles('nftables', 'nftables, sent to open', nft.warm, [1, 5]), alone),
      ...quantiles('nftables-cold', 'nftables, the first knocks of a daemon', [nft.cold]),
    )
    const peerLacks = lacksFwknop()
    if (peerLacks) {
      context.skip('packet sent to port open, fwknop', peerLacks)
      return figures
    }
    const peer = await peerSeries(context)
    context.plot('latency', { fwknop: peer.flat() })
    return [
      ...figures,
      ...quantiles('fwknop', 'fwknop, sent to open', peer),
      faster(nft.warm, peer),
    ]
  },
}

const RUNS = 3
const FULL_RUNS = 7
const SHOTS = 150
/** Its client takes a process for each packet. */
const PEER_SHOTS = 20
/** By then the engine has compiled what a knock runs through, as in any daemon that has run for a while. */
const WARM_UP = 2_000
/** As many at once as cannot overflow a socket's buffer. */
const WARM_UP_STEP = 100
/** Their doors close by themselves: thousands that stay open are no daemon's everyday life. */
const WARM_UP_S = 1
/** The way there has been gone by then: what is kept ready on it is there. */
const FIRST = 10

/** Milliseconds, run by run. */
interface Series {
  /** Of a daemon that has just started. */
  readonly cold: number[]
  readonly warm: number[][]
}

const runsOf = ({ full }: Context): number => (full ? FULL_RUNS : RUNS)

async function series(
  context: Context,
  name: string,
  make: (folder: string, users: number) => Promise<Site>,
): Promise<Series> {
  const coldEnd = FIRST + SHOTS
  const shots = coldEnd + runsOf(context) * SHOTS
  const site = await make(`${context.folder}/${name}`, shots + WARM_UP)
  try {
    await shoot(site, 0, FIRST)
    const cold = await shoot(site, FIRST, coldEnd)
    await warmUp(site, shots)
    return { cold, warm: await inRuns(site, coldEnd, shots, SHOTS) }
  } finally {
    await site.stop()
  }
}

/** By users from this one on; in the end their doors are closed. */
async function warmUp(site: Site, first: number): Promise<void> {
  const { host, port, door, knocker, daemon } = site
  for (let from = first; from < first + WARM_UP; from += WARM_UP_STEP) {
    const shots = site.shots(from, from + WARM_UP_STEP, WARM_UP_S)
    await knocker.ask('burst', { host, port, door, shots })
  }
  await pause(WARM_UP_S * 1_000)
  await untilIdle(daemon)
}

async function peerSeries(context: Context): Promise<number[][]> {
  const shots = FIRST + runsOf(context) * PEER_SHOTS
  const ground = await fwknopSite(`${context.folder}/fwknop`, shots)
  try {
    await shoot(ground, 0, FIRST)
    return await inRuns(ground, FIRST, shots, PEER_SHOTS)
  } finally {
    await ground.stop()
  }
}

async function inRuns(ground: Ground, from: number, to: number, each: number): Promise<number[][]> {
  const runs: number[][] = []
  for (let at = from; at < to; at += each) runs.push(await shoot(ground, at, at + each))
  return runs
}

/** One by one; every shot has an address of its own, for which nothing is open. */
async function shoot(ground: Ground, from: number, to: number): Promise<number[]> {
  const { host, port, door, knocker } = ground
  const shots = ground.shots(from, to)
  const latencies = await knocker.ask('openLatency', { host, port, door, shots })
  return latencies.map(ms => ms ?? Number.POSITIVE_INFINITY)
}

/** In a network namespace of its own, on the daemon's side. */
async function partsAlone(context: Context): Promise<number[][]> {
  const child = await startChild<Parts>('parts', {
    side: 'receiver',
    through: ['unshare', '--net', '--'],
  })
  try {
    const runs: number[][] = []
    for (let run = 0; run < runsOf(context); run++) {
      runs.push(await child.ask('both', { folder: `${context.folder}/parts/${run}`, times: SHOTS }))
    }
    return runs
  } finally {
    await child.stop()
  }
}

/** How much of a figure the machine takes, whoever asks it. */
const beside = (figures: readonly Figure[], alone: readonly number[][]): Figure[] =>
  figures.map((figure, i) => {
    const value = sampleOf(part(alone, QUANTILES[i]!))
    const what = 'a durable line and a transaction of nft, alone'
    return { ...figure, reference: { what, value } }
  })

const QUANTILES = [0.5, 0.99] as const

const part = (runs: readonly number[][], at: number): number[] =>
  runs.map(run => quantile(ascending(run), at))

function quantiles(
  id: string,
  what: string,
  runs: readonly number[][],
  most?: readonly [p50: number, p99: number],
): Figure[] {
  return QUANTILES.map((at, i) => {
    const value = sampleOf(part(runs, at))
    return {
      row: 6,
      id: `open-${id}-p${at * 100}`,
      what: `${what}, p${at * 100}`,
      value,
      unit: 'ms',
      ...(most && { target: atMost(value, most[i]!, ' ms') }),
    }
  })
}

function faster(nft: readonly number[][], peer: readonly number[][]): Figure {
  const ratio = ratios(part(peer, 0.5), part(nft, 0.5))
  return {
    row: 6,
    id: 'open-faster',
    what: 'fwknop, sent to open, p50, beside nftables here',
    value: sampleOf(part(peer, 0.5)),
    unit: 'ms',
    reference: { what: 'nftables, p50', value: sampleOf(part(nft, 0.5)) },
    ratio,
    target: atLeast(ratio, 10, '×'),
  }
}
