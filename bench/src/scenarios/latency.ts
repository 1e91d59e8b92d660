import { setTimeout as pause } from 'node:timers/promises'
import { type Child, startChild } from '../harness/children.ts'
import { Company } from '../harness/company.ts'
import { untilIdle } from '../harness/daemons.ts'
import { atLeast, atMost, type Figure } from '../harness/figures.ts'
import { lacksFwknop } from '../harness/fwknop.ts'
import { type FwknopSite, fwknopSite } from '../harness/fwknop-site.ts'
import { settleDisk } from '../harness/scratch.ts'
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
    const nftLacks = lacksNft()
    const peerLacks = lacksFwknop()
    if (nftLacks) context.skip('packet sent to port open, nftables and fwknop', nftLacks)
    else if (peerLacks) context.skip('packet sent to port open, fwknop', peerLacks)
    const company = new Company()
    try {
      const { folder } = context
      const shots = FIRST + SHOTS + runsOf(context) * SHOTS
      const users = shots + WARM_UP.users + WARM_UP.through
      const [gate, nft, parts, peer] = await Promise.all([
        company.add(gateSite(`${folder}/gate`, users)),
        nftLacks ? undefined : company.add(nftablesSite(`${folder}/nftables`, users)),
        nftLacks ? undefined : company.add(startParts()),
        nftLacks || peerLacks ? undefined : company.add(peerSite(context)),
      ])
      const cold = nft && (await firstShots(nft))
      await Promise.all([gate, ...(nft ? [nft] : [])].map(site => warmUp(site, shots)))
      if (peer) await shoot(peer, 0, FIRST)
      settleDisk()
      const series = await inTurns(context, { gate, nft, parts, peer })
      return figuresOf(context, series, cold)
    } finally {
      await company.stop()
    }
  },
}

const RUNS = 3
const FULL_RUNS = 7
const SHOTS = 150
/** Its client takes a process for each packet. */
const PEER_SHOTS = 20
/** By then the engine has compiled what a knock runs through, as in any daemon that has run for a while. */
const WARM_UP = { users: 1_000, through: 200 }
/** As many at once as cannot overflow a socket's buffer. */
const WARM_UP_CLIENTS = 100
/** Their doors close by themselves: thousands that stay open are no daemon's everyday life. */
const WARM_UP_S = 1
/** The way there has been gone by then: what is kept ready on it is there. */
const FIRST = 10

const runsOf = ({ full }: Context): number => (full ? FULL_RUNS : RUNS)

/** In a network namespace of its own, on the daemon's side. */
const startParts = (): Promise<Child<Parts>> =>
  startChild<Parts>('parts', { side: 'receiver', through: ['unshare', '--net', '--'] })

const peerSite = (context: Context): Promise<FwknopSite> =>
  fwknopSite(`${context.folder}/fwknop`, FIRST + runsOf(context) * PEER_SHOTS)

/** Of a daemon that has just started. */
async function firstShots(site: Site): Promise<number[]> {
  await shoot(site, 0, FIRST)
  return shoot(site, FIRST, FIRST + SHOTS)
}

/** By users from this one on: most knock twice, and some go through the door. In the end it is closed to all. */
async function warmUp(site: Site, first: number): Promise<void> {
  const { host, port, door, knocker, daemon, world } = site
  const last = first + WARM_UP.users
  await knocker.ask('rush', {
    ...{ host, port, firstAddress: 0, lifetime: WARM_UP_S },
    users: world.users.slice(first, last),
    sources: Array.from({ length: WARM_UP_CLIENTS }, (_, i) => site.source(i)),
  })
  for (let from = last; from < last + WARM_UP.through; from += WARM_UP_CLIENTS) {
    const shots = site.shots(from, from + WARM_UP_CLIENTS, WARM_UP_S)
    await knocker.ask('burst', { host, port, door, shots })
  }
  await pause(WARM_UP_S * 1_000)
  await untilIdle(daemon)
}

interface Rivals {
  readonly gate: Site
  readonly nft: Site | undefined
  readonly parts: Child<Parts> | undefined
  readonly peer: FwknopSite | undefined
}

/** Milliseconds, run by run; no runs of who is not there. */
type Series = Readonly<Record<keyof Rivals, number[][]>>

async function inTurns(context: Context, { gate, nft, parts, peer }: Rivals): Promise<Series> {
  const series: Series = { gate: [], nft: [], parts: [], peer: [] }
  for (let run = 0; run < runsOf(context); run++) {
    const at = FIRST + SHOTS + run * SHOTS
    series.gate.push(await shoot(gate, at, at + SHOTS))
    if (nft) series.nft.push(await shoot(nft, at, at + SHOTS))
    if (parts) {
      const folder = `${context.folder}/parts/${run}`
      series.parts.push(await parts.ask('both', { folder, times: SHOTS }))
    }
    const peerAt = FIRST + run * PEER_SHOTS
    if (peer) series.peer.push(await shoot(peer, peerAt, peerAt + PEER_SHOTS))
  }
  return series
}

/** One by one; every shot has an address of its own, for which nothing is open. */
async function shoot(ground: Ground, from: number, to: number): Promise<number[]> {
  const { host, port, door, knocker } = ground
  const shots = ground.shots(from, to)
  const latencies = await knocker.ask('openLatency', { host, port, door, shots })
  return latencies.map(ms => ms ?? Number.POSITIVE_INFINITY)
}

function figuresOf(
  context: Context,
  { gate, nft, parts, peer }: Series,
  cold: number[] | undefined,
): Figure[] {
  context.plot('latency', { gate: gate.flat() })
  const figures = quantiles('gate', 'gate, sent to first answer through it', gate)
  if (!cold) return figures
  context.plot('latency', { nftables: nft.flat() })
  figures.push(
    ...beside(quantiles('nftables', 'nftables, sent to open', nft, [1, 5]), parts),
    ...quantiles('nftables-cold', 'nftables, the first knocks of a daemon', [cold]),
  )
  if (peer.length === 0) return figures
  context.plot('latency', { fwknop: peer.flat() })
  figures.push(...quantiles('fwknop', 'fwknop, sent to open', peer), faster(nft, peer))
  return figures
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
