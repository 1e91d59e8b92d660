import { familyOf, familyPrefix, type Network } from '@oneknock/shared'
import type { Port, Protocol } from '../../core/directory.ts'
import { findProgram, run } from './program.ts'
import type { Zone } from './zones.ts'

/** Whose flows are to end. */
export interface Cut {
  readonly zone: Zone
  readonly network: Network
  readonly ports: readonly CutPort[]
}

export interface CutPort {
  readonly port: Port
  /** Peers that another opening admits to this port: whose flows they are cannot be told. */
  readonly except: readonly Network[]
}

/** Milliseconds; it asks the kernel once. */
const TIME_LIMIT = 5_000

/**
 * Resets sockets, so that neither side waits for the other in vain. Resolves with why it could not.
 * A service in a container has its sockets elsewhere; its flows end all the same, in silence.
 */
export async function resetSockets(cuts: readonly Cut[]): Promise<string | undefined> {
  const program = findProgram('ss')
  if (!program) return 'ss is not installed: install iproute2'
  for (const protocol of ['tcp', 'udp'] as const) {
    const filters = cuts.flatMap(cut => filtersFor(cut, protocol))
    if (filters.length === 0) continue
    const args = ['-K', '-H', '-n', `--${protocol}`, filters.join(' or ')]
    const complaint = await complaintOf(program, args)
    if (complaint) return complaint
  }
  return undefined
}

const filtersFor = ({ ports, network }: Cut, protocol: Protocol): string[] =>
  ports
    .filter(({ port }) => port.protocol === protocol)
    .map(({ port: { port }, except }) => {
      const spared = except.map(other => ` and not ${peer(other)}`).join('')
      return `( sport = :${port} and ${peer(network)}${spared} )`
    })

/** `dst 203.0.113.0/24` also finds a dual-stack socket's `::ffff:203.0.113.7`. */
function peer(network: Network): string {
  const { address } = network
  const text = `${address}/${familyPrefix(network)}`
  return `dst ${familyOf(address) === 4 ? text : `[${text}]`}`
}

/** What `ss` had to complain of. It ends with 0 whatever the kernel said. */
async function complaintOf(program: string, args: readonly string[]): Promise<string | undefined> {
  const ran = await run(program, args, TIME_LIMIT)
  if (ran.kind === 'timeout') return 'ss did not end in time'
  if (ran.kind === 'gone') return ran.message
  return ran.stderr.trim().split('\n')[0] || undefined
}
