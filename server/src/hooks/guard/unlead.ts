import { describeLead } from '../../core/forwards.ts'
import type { Listing } from './kernel.ts'
import { findProgram, run } from './program.ts'
import type { Zone } from './zones.ts'

/** Milliseconds; it goes through the connection table once. */
const TIME_LIMIT = 20_000

/**
 * Connection tracking goes on translating a flow that it knows: those that lead where nothing leads
 * any more are forgotten by it, or somebody with a new grant could come by an old one to the former
 * host. Without the program `conntrack` they end with their silence.
 */
export async function forgetFormerLeads(before: Listing, zones: readonly Zone[]): Promise<void> {
  const program = findProgram('conntrack')
  const now = zones.flatMap(({ leads }) => leads.map(describeLead))
  const former = [...(before.leads?.values() ?? [])].flat().filter(lead => !now.includes(lead))
  if (!program || former.length === 0) return
  for (const lead of former) await run(program, ['-D', ...filterOf(lead)], TIME_LIMIT)
}

/** By what `describeLead` says: the port that was asked for, and who answers. */
function filterOf(lead: string): string[] {
  const [, protocol = '', port = '', address = '', to = ''] =
    /^(\w+)\/(\d+) \[?(.*?)\]?:(\d+)$/.exec(lead) ?? []
  return [
    ...['--family', address.includes(':') ? 'ipv6' : 'ipv4', '--proto', protocol],
    ...['--orig-port-dst', port, '--reply-src', address, '--reply-port-src', to],
  ]
}
