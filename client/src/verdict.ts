import { type Network, type Reply, type Status, sameNetwork } from '@oneknock/shared'
import type { KnockResult } from './outcome.ts'
import type { Route } from './transport.ts'

/** What the server said last over one route, and when by the wall clock. */
export interface Told {
  readonly reply: Reply
  readonly at: number
}

/** How one family's part of a knock ended. */
export interface Ending {
  readonly route: Pick<Route, 'server'>
  readonly told: Told | undefined
  /** What the system said last when it could not send. */
  readonly trouble: string | undefined
}

/** The better first: one family refused or unanswered takes nothing from what the other opened. */
const PRECEDENCE: readonly Status[] = ['opened', 'closed', 'refused', 'pending']

/** What a host says, by ICMP, whose port nobody listens on. */
const PORT_CLOSED = 'ECONNREFUSED'

/** One verdict from what each family was told. */
export function verdictOf(endings: readonly Ending[], clockOffsetMs: number): KnockResult {
  const tolds = endings.flatMap(({ told }) => told ?? [])
  const rank = ({ reply }: Told) => PRECEDENCE.indexOf(reply.status)
  const best = tolds.sort((a, b) => rank(a) - rank(b))[0]
  if (!best) return silence(endings)
  const { reply, at } = best
  const answered = { detail: reply.detail, clockOffsetMs }
  switch (reply.status) {
    case 'opened': {
      const { lifetime, grant } = reply
      const until = at + lifetime * 1000
      return { status: 'opened', admitted: admittedBy(tolds), lifetime, until, grant, ...answered }
    }
    case 'refused':
      return { status: 'refused', reason: reply.reason, source: reply.address, ...answered }
    case 'closed':
      return { status: reply.status, address: reply.address, ...answered }
    case 'pending':
      return { status: reply.status, ...answered }
  }
}

function admittedBy(tolds: readonly Told[]): Network[] {
  const networks = tolds
    .filter(({ reply }) => reply.status === 'opened')
    .map(({ reply: { address, prefix } }) => ({ address, prefix }))
  return networks.filter(
    (network, i) => networks.findIndex(other => sameNetwork(other, network)) === i,
  )
}

function silence(endings: readonly Ending[]): KnockResult {
  const servers = endings.map(({ route }) => route.server)
  const troubles = endings.map(({ trouble }) => trouble)
  const portClosed = troubles.every(trouble => trouble === PORT_CLOSED)
  const cause = troubles.find(trouble => trouble !== undefined && trouble !== PORT_CLOSED)
  return cause !== undefined && !troubles.includes(undefined)
    ? { status: 'unreachable', servers, cause }
    : { status: 'no-reply', servers, portClosed }
}
