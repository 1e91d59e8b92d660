import { readFile } from 'node:fs/promises'
import { endianness, networkInterfaces } from 'node:os'
import { type Address, familyOf, fromHex, parseAddress, readAddress } from '@oneknock/shared'
import type { Protocol } from '../../core/directory.ts'
import type { Flow } from './flows.ts'
import { findProgram, run } from './program.ts'

/** A flow that goes on whatever the guard knows of it. */
export interface SeenFlow {
  readonly flow: Flow
  /** Whom the peer talks to: the address before any translation. */
  readonly to: Address
  readonly here: boolean
}

/** Milliseconds for `conntrack`; a million entries take a few seconds. */
const TRACKED_LIMIT = 20_000

/**
 * What the kernel knows of flows: local sockets, and the connection tracking where it is at work,
 * which alone knows of flows that are handed on to a container.
 */
export async function readFlows(): Promise<SeenFlow[]> {
  const [sockets = [], tracked] = await Promise.all([readSockets(), readTracked()])
  return [...sockets, ...parseTracked(tracked, ownAddresses())]
}

/** Local sockets alone; `undefined` where they cannot be read. */
export async function readSockets(): Promise<SeenFlow[] | undefined> {
  const [tcp, tcp6, udp, udp6] = await Promise.all(['tcp', 'tcp6', 'udp', 'udp6'].map(readNet))
  // Even without any socket it has a line for its columns.
  if (!tcp) return undefined
  return [
    ...parseSockets(tcp, 'tcp'),
    ...parseSockets(tcp6!, 'tcp'),
    ...parseSockets(udp!, 'udp'),
    ...parseSockets(udp6!, 'udp'),
  ]
}

const readNet = (name: string): Promise<string> => readIfAny(`/proc/self/net/${name}`)

/** Without IPv6, without conntrack or without root, one or the other is not there to be read. */
const readIfAny = (path: string): Promise<string> => readFile(path, 'latin1').catch(() => '')

/** Only root may read the file. `conntrack`, where installed, needs no more than CAP_NET_ADMIN. */
async function readTracked(): Promise<string> {
  const count = Number(await readIfAny('/proc/sys/net/netfilter/nf_conntrack_count'))
  if (count === 0) return ''
  const table = await readNet('nf_conntrack')
  const program = findProgram('conntrack')
  if (table || !program) return table
  const families = await Promise.all(
    ['ipv4', 'ipv6'].map(family => run(program, ['-L', '-f', family], TRACKED_LIMIT)),
  )
  return families.map(ran => (ran.kind === 'ended' ? ran.stdout : '')).join('')
}

/**
 * States in net/tcp_states.h, in which both sides have agreed to talk. Half-open ones are left out:
 * anybody makes those. A connected UDP socket is ESTABLISHED too.
 */
const TALKING = new Set(['01', '04', '05', '08', '09', '0B'])

/** `/proc/net/tcp` and its kin: local and remote end in hexadecimal, then the state. */
export function parseSockets(table: string, protocol: Protocol): SeenFlow[] {
  return table.split('\n').flatMap(line => {
    const [, local = '', remote = '', state = ''] = line.trim().split(/\s+/)
    const [own, peer] = [parseEnd(local), parseEnd(remote)]
    if (!TALKING.has(state) || !own || !peer) return []
    const flow = { address: peer.address, peerPort: peer.port, protocol, port: own.port }
    return [{ flow, to: own.address, here: true }]
  })
}

/** One end of a socket, as the kernel prints it. */
export function parseEnd(text: string): { address: Address; port: number } | undefined {
  const [host = '', port = ''] = text.split(':')
  const raw = fromHex(host)
  if (!raw || (raw.length !== 4 && raw.length !== 16)) return undefined
  const bytes = new Uint8Array(16)
  if (raw.length === 4) bytes.fill(0xff, 10, 12)
  bytes.set(inNetworkOrder(raw), 16 - raw.length)
  return { address: readAddress(bytes, 0), port: Number.parseInt(port, 16) }
}

/** The kernel prints an address as words of 32 bits in its own byte order. */
function inNetworkOrder(raw: Uint8Array): Uint8Array {
  if (endianness() === 'BE') return raw
  return raw.map((_, i) => raw[(i & ~3) + 3 - (i & 3)]!)
}

const TUPLE = /src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g

/**
 * As `/proc/net/nf_conntrack` or `conntrack -L` prints it: each entry has the flow as it began and as its answers come. Whichever
 * of them comes from outside to a guarded port is to go on.
 */
export function parseTracked(table: string, own: ReadonlySet<Address>): SeenFlow[] {
  return table.split('\n').flatMap(line => {
    const [, protocol] = /^(?:ipv[46]\s+\d+ )?(tcp|udp)\s/.exec(line) ?? []
    if (protocol !== 'tcp' && protocol !== 'udp') return []
    if (line.includes('[UNREPLIED]') || (protocol === 'tcp' && !line.includes(' ESTABLISHED '))) {
      return []
    }
    return [...line.matchAll(TUPLE)].flatMap(([, src = '', dst = '', sport, dport]) => {
      const [address, to] = [parseAddress(src), parseAddress(dst)]
      if (!address || !to || familyOf(address) !== familyOf(to)) return []
      const flow = { address, peerPort: Number(sport), protocol, port: Number(dport) } as const
      return [{ flow, to, here: own.has(to) }]
    })
  })
}

const ownAddresses = (): Set<Address> =>
  new Set(
    Object.values(networkInterfaces()).flatMap(addresses =>
      (addresses ?? []).flatMap(({ address }) => parseAddress(address.split('%')[0]!) ?? []),
    ),
  )
