import { familyOf, familyPrefix, type Network } from '@oneknock/shared'
import type { Port, Protocol } from '../../core/directory.ts'
import type { Cuts } from './cuts.ts'
import { findProgram, run } from './program.ts'
import { readSockets } from './sockets.ts'
import { isHere, ONE_ADDRESS } from './zones.ts'

/** Milliseconds; it asks the kernel once. */
const TIME_LIMIT = 5_000
/** Networks that are named to `ss` at once: they fit in an argument, whatever they are. */
const NAMED_MAX = 100

/** Which sockets `ss` is to look for. */
interface Filter {
  readonly protocol: Protocol
  readonly text: string
}

/**
 * Resets sockets, so that neither side waits for the other in vain. Resolves with why it could not.
 * A service in a container has its sockets elsewhere; its flows end all the same, in silence.
 */
export async function resetSockets(cuts: Cuts): Promise<string | undefined> {
  const program = findProgram('ss')
  if (!program) return 'ss is not installed: install iproute2'
  const filters = await filtersFor(cuts)
  for (const protocol of ['tcp', 'udp'] as const) {
    const texts = filters.filter(filter => filter.protocol === protocol).map(({ text }) => text)
    for (let i = 0; i < texts.length; i += NAMED_MAX) {
      const some = texts.slice(i, i + NAMED_MAX).join(' or ')
      const complaint = await complaintOf(program, ['-K', '-H', '-n', `--${protocol}`, some])
      if (complaint) return complaint
    }
  }
  return undefined
}

/**
 * What is to end, in few words. Where that names many, as when thousands end at once, the sockets that
 * are there are looked at first: hardly anybody has one.
 */
async function filtersFor(cuts: Cuts): Promise<Filter[]> {
  const here = cuts.list.filter(({ zone }) => isHere(zone))
  const names = here.flatMap(({ network, ports }) =>
    ports.flatMap(({ except }) => [network, ...except]),
  )
  const sockets = names.length > NAMED_MAX ? await readSockets() : undefined
  if (!sockets) {
    return here.flatMap(({ network, ports }) =>
      ports.map(({ port, except }) => filterFor(port, network, except)),
    )
  }
  const zones = [...new Set(here.map(({ zone }) => zone.name))]
  const doomed = sockets.filter(({ flow }) => zones.some(zone => cuts.find(zone, flow)))
  const found = doomed.map(({ flow }) =>
    filterFor(flow, { address: flow.address, prefix: ONE_ADDRESS }),
  )
  return [...new Map(found.map(filter => [filter.protocol + filter.text, filter])).values()]
}

function filterFor({ port, protocol }: Port, network: Network, except: readonly Network[] = []) {
  const spared = except.map(other => ` and not ${peer(other)}`).join('')
  return { protocol, text: `( sport = :${port} and ${peer(network)}${spared} )` }
}

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
