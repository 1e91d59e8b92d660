import { parseAddress, parseNetwork } from '@oneknock/shared'
import type { Port, Protocol } from '../../core/directory.ts'
import type { FlowElement, OpenElement } from '../guard/flows.ts'
import type { Listing } from '../guard/kernel.ts'
import { parseDuration } from './elements.ts'
import { parseLeads } from './leads.ts'
import { parseLent } from './trial.ts'

/** As nft prints sets: what moves stands between these braces, or behind the mark of a remark. */
const MOVING = /\n\t\telements = \{[^}]*\}|[ \t]*# .*/g
const SET = /\n\tset (\S+) \{\n([\s\S]*?)\n\t\}/g
/** Protocols are numbers where there is no /etc/protocols. */
const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  tcp: 'tcp',
  udp: 'udp',
  6: 'tcp',
  17: 'udp',
}

const OPEN_SET = /^(.+)_open[46]_(\d+)$/
const LIVE_SET = /^(.+)_live[46]$/
const CUT_SET = /^(.+)_cut[46]$/
const JUDGED = /th dport (.+) (?:fib|ip6?) daddr .* jump (\S+)$/gm

/** The definitions and the rules, without what comes and goes by itself: same text, same guard. */
export const skeleton = (text: string): string => text.replace(MOVING, '')

/** What `nft list table` tells of ours. */
export function parseListing(text: string): Listing {
  const open: OpenElement[] = []
  const live: FlowElement[] = []
  const cut: FlowElement[] = []
  for (const [, name = '', body = ''] of text.matchAll(SET)) {
    const openSet = OPEN_SET.exec(name)
    const [, liveZone] = LIVE_SET.exec(name) ?? []
    const [, cutZone] = CUT_SET.exec(name) ?? []
    if (openSet) open.push(...openElements(openSet[1]!, openSet[2]!, elementsIn(body)))
    else if (liveZone) live.push(...flowElements(liveZone, elementsIn(body)))
    else if (cutZone) cut.push(...flowElements(cutZone, elementsIn(body)))
  }
  const trial = parseLent(text, 'trial')
  const hasLetGo = trial === 0 || parseLent(text, 'lease') === 0
  const guarded = hasLetGo ? new Map() : guardedPorts(text)
  return { open, live, cut, trial, guarded, leads: parseLeads(text) }
}

interface Element {
  readonly address: string
  readonly protocol: Protocol
  readonly ports: readonly number[]
  readonly remaining: number
}

const ELEMENT = /^(\S+) \. (\S+) \. (\d+)(?: \. (\d+))?(?: timeout \S+)? expires (\S+)$/

/** What has no end was not put there by us: it does not count, and so it goes with the next table. */
function elementsIn(body: string): Element[] {
  const [, inside = ''] = /elements = \{([^}]*)\}/.exec(body) ?? []
  return inside.split(',').flatMap(part => {
    const [, address = '', name = '', first, second, expires = ''] = ELEMENT.exec(part.trim()) ?? []
    const protocol = PROTOCOLS[name]
    if (!protocol) return []
    const ports = [first, second].filter(port => port !== undefined).map(Number)
    return [{ address, protocol, ports, remaining: parseDuration(expires) }]
  })
}

function openElements(zone: string, prefix: string, elements: readonly Element[]): OpenElement[] {
  return elements.flatMap(({ address, protocol, ports: [port], remaining }) => {
    const network = parseNetwork(`${address}/${prefix}`)
    if (!network || port === undefined) return []
    return [{ zone, network, port: { protocol, port }, remaining }]
  })
}

function flowElements(zone: string, elements: readonly Element[]): FlowElement[] {
  return elements.flatMap(({ address: text, protocol, ports: [peerPort, port], remaining }) => {
    const address = parseAddress(text)
    if (!address || peerPort === undefined || port === undefined) return []
    return [{ zone, flow: { address, peerPort, protocol, port }, remaining }]
  })
}

function guardedPorts(text: string): Map<string, Port[]> {
  const zones = new Map<string, Port[]>()
  for (const [, ports = '', zone = ''] of text.matchAll(JUDGED)) {
    const found = [...ports.matchAll(/(\w+) \. (\d+)/g)].flatMap(([, name = '', port]) => {
      const protocol = PROTOCOLS[name]
      return protocol ? [{ protocol, port: Number(port) }] : []
    })
    zones.set(zone, found)
  }
  return zones
}
