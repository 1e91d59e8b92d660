import { atLeast, type Figure } from '../harness/figures.ts'
import { lacksFwknop } from '../harness/fwknop.ts'
import { fwknopSite } from '../harness/fwknop-site.ts'
import { gateSite, lacksNft, nftablesSite } from '../harness/site.ts'
import { sampleOf } from '../harness/stats.ts'
import type { Context, Ground, Scenario } from './scenario.ts'

/** Row 7: five hundred people come to work. */
export const burst: Scenario = {
  rows: [7],
  title: 'a burst of 500 good knocks: gate, nftables, fwknop',
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
      else figures.push(...peerFigures(await bursts(context, 'fwknop', fwknopSite, 1)))
    }
    return figures
  },
}

const KNOCKS = 500
const LIMIT_MS = 1_000
/** fwknopd goes on opening from its buffer, one by one. */
const PEER_LIMIT_MS = 10_000

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
    const fire = (from: number, to: number) => {
      const limitMs = name === 'fwknop' ? PEER_LIMIT_MS : LIMIT_MS * 3
      return knocker.ask('burst', { host, port, door, limitMs, shots: ground.shots(from, to) })
    }
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

function figuresOf(id: string, runs: readonly Opened[]): Figure[] {
  const open = sampleOf(runs.map(opened => countWithin(opened, LIMIT_MS)))
  const last = sampleOf(runs.map(opened => Math.max(...opened.map(ms => ms ?? Infinity))))
  return [
    {
      row: 7,
      id: `burst-${id}`,
      what: `${id}: open within a second`,
      value: open,
      unit: 'of 500',
      target: atLeast(open, KNOCKS),
    },
    {
      row: 7,
      id: `burst-${id}-last`,
      what: `${id}: the last one open after`,
      value: last,
      unit: 'ms',
    },
  ]
}

function peerFigures(runs: readonly Opened[]): Figure[] {
  const count = (ms: number) => sampleOf(runs.map(opened => countWithin(opened, ms)))
  return [
    {
      row: 7,
      id: 'burst-fwknop',
      what: 'fwknop: open within a second',
      value: count(LIMIT_MS),
      unit: 'of 500',
    },
    {
      row: 7,
      id: 'burst-fwknop-ever',
      what: 'fwknop: open within ten seconds',
      value: count(PEER_LIMIT_MS),
      unit: 'of 500',
    },
  ]
}
