import type { User } from '../../../server/src/core/directory.ts'
import { METER_RATE } from '../../../server/src/hooks/nftables/knock-chains.ts'
import type { Flood } from '../flood.ts'
import type { Child } from '../harness/children.ts'
import { Company } from '../harness/company.ts'
import { atLeast, atMost, type Figure, formatNumber, formatSample } from '../harness/figures.ts'
import { startFlood } from '../harness/flooding.ts'
import { writeJunk } from '../harness/packets.ts'
import { gateSite, lacksNft, nftablesSite, type Site } from '../harness/site.ts'
import { ascending, quantile, ratios, type Sample, sampleOf } from '../harness/stats.ts'
import type { Scenario } from './scenario.ts'

/** Row 8: people get in while somebody floods the socket. */
export const underJunk: Scenario = {
  rows: [8],
  title: 'good knocks under a flood, without and with the kernel prefilter',
  async run(context) {
    const { folder, full } = context
    const lacks = lacksNft()
    if (lacks) context.skip('good knocks under a flood, with the kernel prefilter', lacks)
    const each = 2 * (full ? FULL_ROUNDS : ROUNDS) * KNOCKS
    const junk = writeJunk(folder)
    const company = new Company()
    try {
      const [gate, nft] = await Promise.all([
        company.add(gateSite(`${folder}/gate`, FLOODS.length * each)),
        lacks ? undefined : company.add(nftablesSite(`${folder}/prefilter`, each)),
      ])
      const storms = await unfiltered(gate, junk, each)
      if (nft) storms.push(await prefiltered(nft, junk))
      for (const { id, calm, flooded } of storms) {
        context.plot('under-junk', { [`${id}, calm`]: calm.flat(), [id]: flooded.flat() })
      }
      return storms.flatMap(figuresOf)
    } finally {
      await company.stop()
    }
  },
}

/** How much is sent, as a part of what the daemon can refuse; beyond 1 its socket overflows. */
const FLOODS = [
  { id: 'saturated', what: 'flood of 1.25 times what it refuses', of: 1.25 },
  { id: 'drowned', what: 'flood of all that one sender can send', of: Number.POSITIVE_INFINITY },
]
const ROUNDS = 2
const FULL_ROUNDS = 7
/** In each round, as many calm ones and as many under the flood. */
const KNOCKS = 50
const CLIENTS = 10
const CAPACITY_MS = 1_000
/** Longer than all knocks of a round with all their retransmissions; the flood ends with them. */
const FLOOD_MS = 60_000

interface Storm {
  readonly id: string
  readonly what: string
  /** Milliseconds until the answer, run by run; infinite: none within the retransmissions. */
  readonly calm: number[][]
  readonly flooded: number[][]
  /** Packets of the flood, each second. */
  readonly sent: number[]
  /** And so many make it one. */
  readonly enough: number
}

/** One daemon bears both, each with so many users. */
async function unfiltered(site: Site, junk: string, each: number): Promise<Storm[]> {
  const flood = await startFlood()
  try {
    const refused = await capacity(site, flood, junk)
    const storms: Storm[] = []
    for (const [i, { id, what, of }] of FLOODS.entries()) {
      const users = site.world.users.slice(i * each, (i + 1) * each)
      const measured = await storm(site, users, flood, junk, refused * of)
      storms.push({ id, what, enough: refused, ...measured })
    }
    return storms
  } finally {
    await flood.stop()
  }
}

/** In the kernel every packet is a packet: the sender's own segmentation would hide their number. */
async function prefiltered(site: Site, junk: string): Promise<Storm> {
  // From another host than those who knock, as far as the kernel can tell.
  const from = site.source(0)
  const flood = await startFlood({ through: site.clientSide, segmented: false, from })
  try {
    const measured = await storm(site, site.world.users, flood, junk, PREFILTERED_RATE)
    const what = `flood of ${formatNumber(PREFILTERED_RATE / METER_RATE)} times what the kernel prefilter lets through`
    // On a busy machine the sender may not get far enough, and then nothing is shown.
    return { id: 'prefilter', what, enough: PREFILTERED_RATE / 2, ...measured }
  } finally {
    await flood.stop()
  }
}

/**
 * Packets a second. Sender and kernel do their work for each on the processor of those who knock, which a
 * flood from elsewhere would leave to them: so it is a part of what one sender can send.
 */
const PREFILTERED_RATE = 30 * METER_RATE

/** Junk that the daemon refuses in a second of its processor. */
async function capacity(
  { host, port, daemon }: Site,
  flood: Child<Flood>,
  file: string,
): Promise<number> {
  const before = await daemon.ask('counted')
  await flood.ask('flood', { host, port, ms: CAPACITY_MS, file })
  const after = await daemon.ask('counted')
  return ((after.packets.hint - before.packets.hint) / (after.cpuMs - before.cpuMs)) * 1000
}

/** Rounds, as many as there are users for: calm ones and such under the flood in turns. */
async function storm(
  { host, port, knocker }: Site,
  users: readonly User[],
  flood: Child<Flood>,
  file: string,
  rate: number,
): Promise<Pick<Storm, 'calm' | 'flooded' | 'sent'>> {
  let next = 0
  const knock = async () => {
    const some = users.slice(next, next + KNOCKS)
    next += KNOCKS
    const latencies = await knocker.ask('patiently', { users: some, host, port, clients: CLIENTS })
    return latencies.map(ms => ms ?? Number.POSITIVE_INFINITY)
  }
  const job = { host, port, ms: FLOOD_MS, file, ...(Number.isFinite(rate) && { rate }) }
  const result = { calm: [] as number[][], flooded: [] as number[][], sent: [] as number[] }
  while (next < users.length) {
    result.calm.push(await knock())
    const flooding = flood.ask('flood', job)
    result.flooded.push(await knock())
    await flood.ask('enough')
    const { sent, ms } = await flooding
    result.sent.push((sent / ms) * 1000)
  }
  return result
}

function figuresOf({ id, what, calm, flooded, sent, enough }: Storm): Figure[] {
  const opened = sampleOf(flooded.map(run => 100 * partOf(run, Number.isFinite)))
  const p99 = (runs: readonly number[][]) =>
    runs.map(run => quantile(ascending(run.filter(Number.isFinite)), 0.99))
  const slower: Sample = ratios(p99(flooded), p99(calm))
  const came = sampleOf(sent)
  const isFlood = came.median > enough
  const against =
    id === 'prefilter' ? '' : `, beside the ${formatNumber(enough)}/s that it can refuse`
  return [
    {
      row: 8,
      id: `under-junk-${id}-opened`,
      what: `good knocks that opened, ${what}`,
      value: opened,
      unit: '%',
      ...(isFlood && { target: atLeast(opened, 99, ' %') }),
      note: `junk: ${formatSample(came, '/s')}${against}${isFlood ? '' : ', too little to tell'}`,
    },
    {
      row: 8,
      id: `under-junk-${id}-p99`,
      what: `until their answer, p99, ${what}`,
      value: sampleOf(p99(flooded)),
      unit: 'ms',
      reference: { what: 'no flood', value: sampleOf(p99(calm)) },
      ratio: slower,
      ...(id === 'prefilter' && isFlood && { target: atMost(slower, 3) }),
    },
  ]
}

const partOf = <T>(items: readonly T[], is: (item: T) => boolean): number =>
  items.filter(is).length / items.length
