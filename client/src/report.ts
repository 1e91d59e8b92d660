import { formatNetwork, type Verb } from '@oneknock/shared'
import { formatDuration } from './duration.ts'
import { EXIT, type Exit } from './exit.ts'
import type { KnockResult, NoReply, Opened } from './outcome.ts'
import { type Explanation, explain } from './refusals.ts'

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
  if (result.status === 'opened') return { exit: EXIT.opened, line: openLine(result) }
  if (result.status === 'closed' && knocked.verb === 'close') {
    const line = result.detail ? `closed: ${result.detail}` : 'nothing of yours was open'
    return { exit: EXIT.opened, line }
  }
  const { what, next } = explainFailure(result, knocked)
  const line = `${what}; ${next}`
  const isRefusal = result.status === 'refused'
  return { exit: EXITS[result.status], line: isRefusal ? `refused: ${line}` : line }
}

/** Every result but those that were hoped for. */
export type Failed = Exclude<KnockResult, Opened>

const EXITS: Readonly<Record<Failed['status'], Exit>> = {
  closed: EXIT.refused,
  pending: EXIT.pending,
  refused: EXIT.refused,
  'no-reply': EXIT.noReply,
  unreachable: EXIT.noReply,
  unresolved: EXIT.noReply,
  aborted: EXIT.interrupted,
  invalid: EXIT.usage,
}

/** Why a door is not open, in plain words, and what to do about it. */
export function explainFailure(
  result: Failed,
  { name, host, port }: Omit<Knocked, 'verb'>,
): Explanation {
  const place = `${host} port ${port}`
  switch (result.status) {
    case 'closed':
      return {
        what: 'the door was opened and has been closed again',
        next: 'knock again with a new code',
      }
    case 'pending':
      return {
        what: `nobody has approved yet${result.detail && ` (${result.detail})`}`,
        next: 'knock again later with a new code',
      }
    case 'refused':
      return explain(result)
    case 'no-reply':
      return explainSilence(result, place)
    case 'unreachable':
      return {
        what: `no way to ${place} (${result.cause})${alsoOverHttp(result)}`,
        next: "check the network, the VPN and this machine's own firewall",
      }
    case 'unresolved':
      return {
        what: `cannot find ${result.host} (${result.cause})${alsoOverHttp(result)}`,
        next: `check the name, the network and the resolver, or add ${name} again`,
      }
    case 'aborted':
      return { what: 'interrupted', next: 'the door may have been opened' }
    case 'invalid':
      return {
        what: `no packet can hold this: ${result.field} is out of bounds`,
        next: 'ask for less in one knock',
      }
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
      const { status, servers, portClosed, http } = result
      const shown = { target: name, status, servers, port_closed: portClosed }
      return http === undefined ? shown : { ...shown, http }
    }
    case 'unreachable':
    case 'unresolved':
    case 'aborted':
    case 'invalid':
      return { target: name, ...result }
  }
}

/** `undefined` if the clocks agree well enough, or nothing is known of the server's. */
export function explainClock(result: KnockResult): Explanation | undefined {
  const offset = 'clockOffsetMs' in result ? result.clockOffsetMs : 0
  if (Math.abs(offset) <= CLOCK_WARN_MS) return undefined
  const seconds = Math.round(Math.abs(offset) / 1000)
  const side = offset > 0 ? 'behind' : 'ahead of'
  return {
    what: `this machine's clock is ${seconds} s ${side} the server's`,
    next: 'much more, and it meets silence: timedatectl',
  }
}

/** The same in one line. */
export function clockWarning(result: KnockResult): string | undefined {
  const trouble = explainClock(result)
  return trouble && `${trouble.what}; ${trouble.next}`
}

export const formatAdmitted = (admitted: Opened['admitted']): string =>
  admitted.map(formatNetwork).join(' and ')

function openLine({ admitted, lifetime, until, detail }: Opened): string {
  const services = detail && `${detail} `
  return `open: ${services}for ${formatAdmitted(admitted)}, ${formatDuration(lifetime)}, until ${moment(until)}`
}

const alsoOverHttp = ({ http }: { readonly http?: string }): string =>
  http === undefined ? '' : `, nor over HTTP (${http})`

/** The clock comes first: it is the likeliest, and the one that nobody thinks of. */
function explainSilence(result: NoReply, place: string): Explanation {
  const { portClosed, servers } = result
  if (portClosed) {
    return {
      what: `no reply from ${place}: nothing listens there${alsoOverHttp(result)}`,
      next: 'check that the port is right, and that oneknockd runs there',
    }
  }
  return {
    what: `no reply from ${place} (${servers.join(', ')})${alsoOverHttp(result)}`,
    next:
      "check this machine's clock first (timedatectl; two minutes off meets silence), then that the " +
      'address is right and no firewall drops UDP there, and that this device is still enrolled',
  }
}

/** By this machine's clock and zone; without Intl, which takes longer to load than the knock. */
export function moment(ms: number): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const date = new Date(ms)
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
  if (new Date().toDateString() === date.toDateString()) return time
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`
}
