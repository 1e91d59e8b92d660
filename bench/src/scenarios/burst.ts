import { Company } from '../harness/company.ts'
import { atLeast, type Figure } from '../harness/figures.ts'
import { lacksFwknop } from '../harness/fwknop.ts'
import { fwknopSite } from '../harness/fwknop-site.ts'
import { gateSite, lacksLoopback, lacksNft, nftablesSite } from '../harness/site.ts'
import { sampleOf } from '../harness/stats.ts'
import type { Ground, Scenario } from './scenario.ts'

/** Row 7: five hundred people come to work. */
export const burst: Scenario = {
  rows: [7],
  title: 'a burst of 500 good knocks: gate, nftables, fwknop',
  lacks: lacksLoopback,
  async run({ folder, full, skip }) {
    const nftLacks = lacksNft()
    const peerLacks = lacksFwknop()
    if (nftLacks) skip('burst, nftables and fwknop', nftLacks)
    else if (peerLacks) skip('burst, fwknop', peerLacks)
    const runs = full ? 5 : 2
    const company = new Company()
    try {
      const [gate, nft, peer] = await Promise.all([
        company.add(gateSite(`${folder}/gate`, sources(runs))),
        nftLacks ? undefined : company.add(nftablesSite(`${folder}/nftables`, sources(runs))),
        nftLacks || peerLacks ? undefined : company.add(fwknopSite(`${folder}/peer`, sources(1))),
      ])
      const figures = figuresOf('gate', await bursts(gate, runs))
      if (nft) figures.push(...figuresOf('nftables', await bursts(nft, runs)))
      if (peer) figures.push(...figuresOf('fwknop', await bursts(peer, 1)))
      return figures
    } finally {
      await company.stop()
    }
  },
}

const KNOCKS = 500
const LIMIT_MS = 1_000

type Opened = readonly (number | null)[]

async function bursts(ground: Ground, runs: number): Promise<Opened[]> {
  const { host, port, door, knocker } = ground
  const fire = (from: number, to: number) =>
    knocker.ask('burst', { host, port, door, shots: ground.shots(from, to) })
  await fire(0, WARM_UP)
  const opened: Opened[] = []
  for (let run = 0; run < runs; run++) {
    opened.push(await fire(sources(run), sources(run + 1)))
  }
  return opened
}

/** Compiled by then, as the code of any daemon that has run for a while. */
const WARM_UP = 50

/** How many it takes for so many runs. */
const sources = (runs: number): number => WARM_UP + runs * KNOCKS

const countWithin = (opened: Opened, ms: number): number =>
  opened.filter(after => after !== null && after <= ms).length

function figuresOf(name: string, runs: readonly Opened[]): Figure[] {
  const count = (ms: number) => sampleOf(runs.map(opened => countWithin(opened, ms)))
  const last = runs.map(opened => Math.max(...opened.map(after => after ?? 0)))
  const soon = count(LIMIT_MS)
  const [row, unit] = [7, 'of 500'] as const
  return [
    {
      ...{ row, unit, id: `burst-${name}`, value: soon },
      what: `${name}: open within a second of the burst`,
      ...(name !== 'fwknop' && { target: atLeast(soon, KNOCKS) }),
    },
    {
      ...{ row, unit, id: `burst-${name}-ever`, value: count(Number.POSITIVE_INFINITY) },
      what: `${name}: open in the end`,
    },
    {
      ...{ row, unit: 'ms', id: `burst-${name}-last`, value: sampleOf(last) },
      what: `${name}: the last one open after`,
    },
  ]
}
