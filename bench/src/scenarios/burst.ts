import { atLeast, type Figure } from '../harness/figures.ts'
import { lacksFwknop } from '../harness/fwknop.ts'
import { fwknopSite } from '../harness/fwknop-site.ts'
import { gateSite, lacksLoopback, lacksNft, nftablesSite } from '../harness/site.ts'
import { sampleOf } from '../harness/stats.ts'
import type { Context, Ground, Scenario } from './scenario.ts'

/** Row 7: five hundred people come to work. */
export const burst: Scenario = {
  rows: [7],
  title: 'a burst of 500 good knocks: gate, nftables, fwknop',
  lacks: lacksLoopback,
  async run(context) {
    const runs = context.full ? 5 : 2
    const gate = await bursts(context, 'gate', gateSite, runs)
    const figures = figuresOf('gate', gate)
    const lacks = lacksNft()
    if (lacks) context.skip('burst, nftables and fwknop', lacks)
    else {
      figures.push(...figuresOf('nftables', await bursts(context, 'nftables', nftablesSite, runs)))
      const peerLacks = lacksFwknop()
      if (peerLacks) context.skip('burst, fwknop', peerLacks)
      else figures.push(...figuresOf('fwknop', await bursts(context, 'fwknop', fwknopSite, 1)))
    }
    return figures
  },
}

const KNOCKS = 500
const LIMIT_MS = 1_000

type Opened = readonly (number | null)[]

async function bursts(
  { folder }: Context,
  name: string,
  make: (folder: string, users: number) => Promise<Ground>,
  runs: number,
): Promise<Opened[]> {
  const ground = await make(`${folder}/${name}`, KNOCKS * runs + WARM_UP)
  try {
    const { host, port, door, knocker } = ground
    const fire = (from: number, to: number) =>
      knocker.ask('burst', { host, port, door, shots: ground.shots(from, to) })
    await fire(KNOCKS * runs, KNOCKS * runs + WARM_UP)
    const opened: Opened[] = []
    for (let run = 0; run < runs; run++) opened.push(await fire(run * KNOCKS, (run + 1) * KNOCKS))
    return opened
  } finally {
    await ground.stop()
  }
}

/** Compiled by then, as the code of any daemon that has run for a while. */
const WARM_UP = 50

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
