import { formatNetwork, type Verb } from '@oneknock/shared'
import { formatDuration } from './duration.ts'
import { EXIT, type Exit } from './exit.ts'
import type { KnockResult, NoReply, Opened } from './outcome.ts'
import { explain } from './refusals.ts'

/** What was knocked at, for messages. */
export interface Knocked {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly verb: Verb
}

export interface Report {
  readonly exit: Exit
  readonly line: string
}

/** Worth a word well before the server's window of two minutes shuts. */
const CLOCK_WARN_MS = 30_000

/** A result in one line for people. */
export function report(result: KnockResult, knocked: Knocked): Report {
  const place = `${knocked.host} port ${knocked.port}`
  switch (result.status) {
    case 'opened':
      return { exit: EXIT.opened, line: openLine(result) }
    case 'closed':
      return closedReport(result.detail, knocked.verb)
    case 'pending': {
      const what = `nobody has approved yet${result.detail && ` (${result.detail})`}`
      return { exit: EXIT.pending, line: `${what}; knock again later with a new code` }
    }
    case 'refused': {
      const { what, next } = explain(result)
      return { exit: EXIT.refused, line: `refused: ${what}; ${next}` }
    }
    case 'no-reply':
      return { exit: EXIT.noReply, line: silenceLine(result, place) }
    case 'unreachable': {
      const next = "check the network, the VPN and this machine's own firewall"
      return { exit: EXIT.noReply, line: `no way to ${place} (${result.cause}); ${next}` }
    }
    case 'unresolved': {
      const next = `check the name, the network and the resolver, or add ${knocked.name} again`
      return { exit: EXIT.noReply, line: `cannot find ${result.host} (${result.cause}); ${next}` }
    }
    case 'aborted':
      return { exit: EXIT.interrupted, line: 'interrupted; the door may have been opened' }
    case 'invalid':
      return { exit: EXIT.usage, line: `no packet can hold this: ${result.field} is out of bounds` }
  }
}

/** The same for programs; `oneknock knock --help` lists the fields. */
export function jsonReport(result: KnockResult, { name }: Knocked): Record<string, unknown> {
  const answered = (told: { readonly detail: string; readonly clockOffsetMs: number }) => ({
    detail: told.detail,
    clock_offset_ms: told.clockOffsetMs,
  })
  switch (result.status) {
    case 'opened':
      return {
        target: name,
        status: result.status,
        addresses: result.admitted.map(formatNetwork),
        lifetime: result.lifetime,
        until: new Date(result.until).toISOString(),
        grant: result.grant,
        ...answered(result),
      }
    case 'refused': {
      const { reason, source, status } = result
      const message = explain(result)
      return { target: name, status, reason, source, ...message, ...answered(result) }
    }
    case 'closed':
    case 'pending':
      return { target: name, status: result.status, ...answered(result) }
    case 'no-reply': {
      const { status, servers, portClosed } = result
      return { target: name, status, servers, port_closed: portClosed }
    }
    case 'unreachable':
    case 'unresolved':
    case 'aborted':
    case 'invalid':
      return { target: name, ...result }
  }
}

/** `undefined` if the clocks agree well enough, or nothing is known of the server's. */
export function clockWarning(result: KnockResult): string | undefined {
  const offset = 'clockOffsetMs' in result ? result.clockOffsetMs : 0
  if (Math.abs(offset) <= CLOCK_WARN_MS) return undefined
  const seconds = Math.round(Math.abs(offset) / 1000)
  const side = offset > 0 ? 'behind' : 'ahead of'
  return `this machine's clock is ${seconds} s ${side} the server's; much more, and it meets silence: timedatectl`
}

function openLine({ admitted, lifetime, until, detail }: Opened): string {
  const services = detail && `${detail} `
  const addresses = admitted.map(formatNetwork).join(' and ')
  return `open: ${services}for ${addresses}, ${formatDuration(lifetime)}, until ${moment(until)}`
}

function closedReport(detail: string, verb: Verb): Report {
  if (verb === 'open') {
    const line = 'the door was opened and has been closed again; knock again with a new code'
    return { exit: EXIT.refused, line }
  }
  return { exit: EXIT.opened, line: detail ? `closed: ${detail}` : 'nothing of yours was open' }
}

/** The clock comes first: it is the likeliest, and the one that nobody thinks of. */
function silenceLine({ portClosed, servers }: NoReply, place: string): string {
  if (portClosed) {
    return `no reply from ${place}: nothing listens there; is the port right, and oneknockd running?`
  }
  return (
    `no reply from ${place} (${servers.join(', ')}): check this machine's clock first (timedatectl; ` +
    'two minutes off meets silence), then that the address is right and no firewall drops UDP there, ' +
    'and that this device is still enrolled'
  )
}

/** By this machine's clock and zone; without Intl, which takes longer to load than the knock. */
function moment(ms: number): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const date = new Date(ms)
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
  if (new Date().toDateString() === date.toDateString()) return time
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`
}
