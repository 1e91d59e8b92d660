import { type Family, familyOf, familyPrefix, type Network } from '@oneknock/shared'
import type { Port, Protocol } from '../../core/directory.ts'
import {
  type Flow,
  type FlowElement,
  type Flows,
  flowKey,
  hasEnded,
  type OpenElement,
} from '../guard/flows.ts'

/** The one table that is ours. */
export const TABLE = 'inet oneknock'

/** Sets are for one family each: no set type holds both. */
export const openSet = (zone: string, network: Network): string =>
  openSetName(zone, familyOf(network.address), familyPrefix(network))
export const openSetName = (zone: string, family: Family, prefix: number): string =>
  `${zone}_open${family}_${prefix}`
export const liveSetName = (zone: string, family: Family): string => `${zone}_live${family}`
export const cutSetName = (zone: string, family: Family): string => `${zone}_cut${family}`

/** Protocols by number: for their names nft opens a file, for each element anew. */
const NUMBERS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17 }

const openKey = (network: Network, { protocol, port }: Port): string =>
  `${network.address} . ${NUMBERS[protocol]} . ${port}`

/**
 * Sets the end of each element, earlier or later, whether it is there or not; of two for the same, the
 * later one counts. Adding what is there does not move its end on every kernel, and only what is there
 * can be deleted: hence all three.
 */
export const openCommand = (elements: readonly OpenElement[]): string =>
  [...endsBySet(elements)].map(([set, ends]) => setEnds(set, ends)).join('; ')

/** The same where none of them is there: else it is refused, and with it all that is asked for beside it. */
export const createCommand = (elements: readonly OpenElement[]): string =>
  [...endsBySet(elements)]
    .map(([set, ends]) => {
      const left = leftOf(ends)
      return left.length === 0 ? setEnds(set, ends) : elementCommand('create', set, left)
    })
    .join('; ')

function endsBySet(
  elements: readonly OpenElement[],
): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const sets = new Map<string, Map<string, number>>()
  for (const { zone, network, port, remaining } of elements) {
    const set = openSet(zone, network)
    const ends = sets.get(set) ?? new Map<string, number>()
    sets.set(set, ends.set(openKey(network, port), remaining))
  }
  return sets
}

function setEnds(set: string, ends: ReadonlyMap<string, number>): string {
  const gone = removeCommand(set, [...ends.keys()])
  const left = leftOf(ends)
  return left.length === 0 ? gone : `${gone}; ${addCommand(set, left)}`
}

const leftOf = (ends: ReadonlyMap<string, number>): string[] =>
  [...ends].filter(([, remaining]) => !hasEnded(remaining)).map(timed)

/** `add` first, since deleting what is not there would fail. */
const removeCommand = (set: string, keys: readonly string[]): string =>
  `${addCommand(set, keys)}; ${elementCommand('delete', set, keys)}`

/** Elements in a command: few enough that a door need not wait long behind it. */
const CHUNK = 2_000

/** A flow that is cut, and by which names that is remembered (see `cut-chains`, `leads`). */
export interface CutFlow {
  readonly zone: string
  readonly flow: Flow
  readonly remembered: readonly Flow[]
}

/**
 * Remembers that flows were cut, and then forgets them: in transactions of their own, one after the
 * other. While one is made ready that deletes an element, a packet of that flow would not find it any more,
 * and put another of the same name into the set, which stays. What is in `cut` puts nothing there.
 */
export function cutCommands(cut: readonly CutFlow[]): string[] {
  const sets = new Map<string, CutFlow[]>()
  for (const one of cut) {
    const set = liveSetName(one.zone, familyOf(one.flow.address))
    const others = sets.get(set)
    if (others) others.push(one)
    else sets.set(set, [one])
  }
  return [...sets].flatMap(([live, flows]) => {
    const { zone, flow } = flows[0]!
    const set = cutSetName(zone, familyOf(flow.address))
    return chunksOf(flows).flatMap(some => [
      addCommand(set, keysOf(some.flatMap(one => one.remembered))),
      removeCommand(live, keysOf(some.map(one => one.flow))),
    ])
  })
}

/** Each once: what is deleted twice is refused. */
const keysOf = (flows: readonly Flow[]): string[] => [...new Set(flows.map(flowKey))]

/** Some commands for each set: thousands of elements load as quickly as one. The later end counts. */
export function fillCommands(
  open: readonly OpenElement[],
  { live, cut }: Partial<Flows>,
): string[] {
  const ends = new Map<string, Map<string, number>>()
  const put = (set: string, key: string, remaining: number) => {
    const ofSet = ends.get(set) ?? new Map<string, number>()
    ends.set(set, ofSet.set(key, Math.max(remaining, ofSet.get(key) ?? 0)))
  }
  for (const { zone, network, port, remaining } of open) {
    if (!hasEnded(remaining)) put(openSet(zone, network), openKey(network, port), remaining)
  }
  const putFlows = (flows: readonly FlowElement[], nameOf: typeof liveSetName) => {
    for (const { zone, flow, remaining } of flows) {
      const set = nameOf(zone, familyOf(flow.address))
      if (!hasEnded(remaining)) put(set, flowKey(flow), remaining)
    }
  }
  putFlows(live ?? [], liveSetName)
  putFlows(cut ?? [], cutSetName)
  return [...ends].flatMap(([set, ofSet]) => {
    const elements = [...ofSet].map(timed)
    return chunksOf(elements).map(chunk => addCommand(set, chunk))
  })
}

const chunksOf = <T>(all: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(all.length / CHUNK) }, (_, i) =>
    all.slice(i * CHUNK, (i + 1) * CHUNK),
  )

const addCommand = (set: string, elements: readonly string[]): string =>
  elementCommand('add', set, elements)

const elementCommand = (
  verb: 'add' | 'create' | 'delete',
  set: string,
  elements: readonly string[],
): string => `${verb} element ${TABLE} ${set} { ${elements.join(', ')} }`

const timed = ([key, remaining]: readonly [string, number]): string =>
  `${key} timeout ${formatDuration(remaining)}`

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const

/** `1d2h3m4s5ms`: in parts, since a single number of more than 32 bits is refused. */
export function formatDuration(ms: number): string {
  let left = Math.ceil(ms)
  let text = ''
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size)
    if (count > 0) text += `${count}${unit}`
    left -= count * size
  }
  return text
}

export function parseDuration(text: string): number {
  let ms = 0
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[dhms])/g)) {
    ms += Number(count) * UNITS.find(([name]) => name === unit)![1]
  }
  return ms
}
