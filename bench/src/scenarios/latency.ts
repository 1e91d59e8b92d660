import { startChild } from '../harness/children.ts'
import { atLeast, atMost, type Figure } from '../harness/figures.ts'
import { lacksFwknop } from '../harness/fwknop.ts'
import { fwknopSite } from '../harness/fwknop-site.ts'
import { gateSite, lacksLoopback, lacksNft, nftablesSite } from '../harness/site.ts'
import { ascending, quantile, ratios, sampleOf } from '../harness/stats.ts'
import type { Parts } from '../parts.ts'
import type { Context, Ground, Scenario } from './scenario.ts'

/** Row 6: from the packet's leaving to the service's first answer through the open door. */
export const latency: Scenario = {
  rows: [6],
  title: 'packet sent to port open: gate, nftables, fwknop',
  lacks: lacksLoopback,
  async run(context) {
    const gate = await series(context, 'gate', RUNS * SHOTS, gateSite, SHOTS)
    context.plot('latency', { gate: gate.flat() })
    const figures = [...quantiles('gate', 'gate, sent to first answer through it', gate)]
    const nftLacks = lacksNft()
    if (nftLacks) {
      context.skip('packet sent to port open, nftables and fwknop', nftLacks)
      return figures
    }
    const nft = await series(context, 'nftables', RUNS * SHOTS, nftablesSite, SHOTS)
    context.plot('latency', { nftables: nft.flat() })
    const alone = await partsAlone(context)
    figures.push(...beside(quantiles('nftables', 'nftables, sent to open', nft, [1, 5]), alone))
    const peerLacks = lacksFwknop()
    if (peerLacks) {
      context.skip('packet sent to port open, fwknop', peerLacks)
      return figures
    }
    const peer = await series(context, 'fwknop', RUNS * PEER_SHOTS, fwknopSite, PEER_SHOTS)
    context.plot('latency', { fwknop: peer.flat() })
    return [...figures, ...quantiles('fwknop', 'fwknop, sent to open', peer), faster(nft, peer)]
  },
}

const RUNS = 3
const SHOTS = 200
/** Its client takes a process for each packet. */
const PEER_SHOTS = 30

/** Milliseconds, run by run; every shot has an address of its own, for which nothing is open. */
async function series(
  { folder }: Context,
  name: string,
  shots: number,
  make: (folder: string, users: number) => Promise<Ground>,
  each: number,
): Promise<number[][]> {
  const ground = await make(`${folder}/${name}`, shots + WARM_UP)
  try {
    const { host, port, door, knocker } = ground
    const shoot = (from: number, to: number) =>
      knocker.ask('openLatency', { host, port, door, shots: ground.shots(from, to) })
    await shoot(shots, shots + WARM_UP)
    const runs: number[][] = []
    for (let at = 0; at < shots; at += each) {
      const latencies = await shoot(at, at + each)
      runs.push(latencies.map(ms => ms ?? Number.POSITIVE_INFINITY))
    }
    return runs
  } finally {
    await ground.stop()
  }
}

const WARM_UP = 10

/** In a network namespace of its own, on the daemon's side. */
async function partsAlone({ folder }: Context): Promise<number[][]> {
  const child = await startChild<Parts>('parts', {
    side: 'receiver',
    through: ['unshare', '--net', '--'],
  })
  try {
    const runs: number[][] = []
    for (let run = 0; run < RUNS; run++) {
      runs.push(await child.ask('both', { folder: `${folder}/parts/${run}`, times: SHOTS }))
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
