import { parseAddress, parseNetwork } from '@oneknock/shared'
import type { Port, Protocol } from '../../core/directory.ts'
import type { FlowElement, Flows, OpenElement } from '../guard/flows.ts'
import type { Zone } from '../guard/zones.ts'
import { cutSet, IN, liveSet, openSet, PREFIX, zoneChain } from './names.ts'
import { FAMILIES } from './sets.ts'

/** What is in our sets. */
export interface Contents extends Flows {
  readonly open: readonly OpenElement[]
}

/** What is in a set of flows belongs to one port. */
interface FlowSet {
  readonly zone: string
  readonly port: Port
  readonly elements: FlowElement[]
}

const ELEMENT = /^add (\S+) ([^,\s]+),(tcp|udp):(\d+) timeout ([1-9]\d*)/
const TRIAL = new RegExp(`^(create|add) ${PREFIX}-trial-\\S+(?: \\d+ timeout (\\d+))?`)

/** The kernel tells whole seconds of those that are left. */
const milliseconds = (seconds: string): number => (Number(seconds) + 1) * 1000

/**
 * What `save` prints of these zones' sets. What has no end was not put there by us, or is a sentinel:
 * it does not count, and so it goes with the next set.
 */
export function parseContents(saved: string, zones: readonly Zone[]): Contents {
  const openSets = new Map<string, string>()
  const flowSets = new Map<string, FlowSet>()
  const live: FlowElement[] = []
  const cut: FlowElement[] = []
  for (const { name: zone, ports } of zones) {
    for (const family of FAMILIES) {
      openSets.set(openSet(zone, family), zone)
      for (const port of ports) {
        flowSets.set(liveSet(zone, family, port), { zone, port, elements: live })
        flowSets.set(cutSet(zone, family, port), { zone, port, elements: cut })
      }
    }
  }
  const open: OpenElement[] = []
  for (const line of saved.split('\n')) {
    const [, set = '', text = '', name = '', number = '', left = ''] = ELEMENT.exec(line) ?? []
    const [protocol, port, remaining] = [name as Protocol, Number(number), milliseconds(left)]
    const openZone = openSets.get(set)
    const network = openZone === undefined ? undefined : parseNetwork(text)
    if (openZone !== undefined && network) {
      open.push({ zone: openZone, network, port: { protocol, port }, remaining })
    }
    const flows = flowSets.get(set)
    const address = flows && parseAddress(text)
    if (flows && address) {
      const flow = { address, peerPort: port, ...flows.port }
      flows.elements.push({ zone: flows.zone, flow, remaining })
    }
  }
  return { open, live, cut }
}

/** Milliseconds that a trial lasts still, 0 if it has let go; `undefined` if there is none. */
export function parseTrial(saved: string): number | undefined {
  const found = saved.split('\n').flatMap(line => {
    const [, verb, left] = TRIAL.exec(line) ?? []
    return verb === undefined ? [] : [left === undefined ? 0 : Number(left) * 1000]
  })
  return found.length > 0 ? Math.max(...found) : undefined
}

const LEADS = new RegExp(`^-A ${IN} .*-p (tcp|udp) .*--dports (\\S+) .*-g (\\S+)$`, 'gm')

/** The ports that each zone guards, by the rules of one family. */
export function guardedPorts(saved: string, zones: readonly Zone[]): Map<string, Port[]> {
  const names = new Map(zones.map(({ name }) => [zoneChain(name), name]))
  const guarded = new Map<string, Port[]>()
  for (const [, protocol = '', ports = '', chain = ''] of saved.matchAll(LEADS)) {
    const zone = names.get(chain)
    if (zone === undefined) continue
    const found = ports
      .split(',')
      .map(port => ({ protocol: protocol as Protocol, port: Number(port) }))
    guarded.set(zone, [...(guarded.get(zone) ?? []), ...found])
  }
  return guarded
}

const HEADER =
  /^Name: (\S+)\nType: (\S+)\n(?:.*\n)*?Header: (.*)\n(?:.*\n)*?Number of entries: (\d+)/

export interface Header {
  readonly name: string
  /** What it was made as, and whether anything is in it: same text, same set. */
  readonly text: string
}

/** Of our sets, of all that `ipset list -terse` prints. */
export function parseHeaders(listed: string): Header[] {
  return listed.split('\n\n').flatMap(block => {
    const [, name = '', type, header = '', entries] = HEADER.exec(block.trim()) ?? []
    if (!name.startsWith(PREFIX)) return []
    const made = header.replace(/ ?(?:hashsize|bucketsize|initval) \S+/g, '')
    // A set that holds a sentinel is never empty, unless somebody flushed it.
    const hasSentinel = /-(?:open|live|cut)[46]/.test(name)
    const state = hasSentinel && entries === '0' ? 'flushed' : 'there'
    return [{ name, text: `${name} ${type} ${made} ${state}` }]
  })
}
