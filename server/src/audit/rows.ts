import { type FactorKind, formatNetwork, type Network } from '@oneknock/shared'
import { isoTime, labelOf } from '../administration/views.ts'
import type { Event, KnockEvent } from '../core/events.ts'
import type { Grant } from '../core/grants.ts'
import type { Pending } from '../core/waiting.ts'
import { answererOf } from '../trail.ts'

/** One line of what an auditor reads: who asked for what, what came of it, and when that ended. */
export interface Row {
  readonly at: string
  readonly result: string
  readonly user?: string
  readonly device?: string
  /** Where the packet came from. */
  readonly from?: string
  /** What was opened, closed or asked for. */
  readonly services?: readonly string[]
  /**
   * The kind of code that was shown; `none` where a device's key was enough, or where a door took a
   * password that others know, and a yes.
   */
  readonly factor?: FactorKind
  readonly grant?: string
  readonly addresses?: readonly string[]
  readonly until?: string
  readonly ended?: string
  /** Why it ended, or was refused. */
  readonly why?: string
  readonly detail?: string
  /** Who was asked first, and over which channel. */
  readonly asked?: string
  /** Who said yes or no. */
  readonly by?: string
}

/**
 * Turns lines of the ledger, in their order, into rows: a grant is one row, however many lines tell
 * of it.
 */
export class Rows {
  readonly #rows: Row[] = []
  /** Where in the rows each grant stands that may still change. */
  readonly #places = new Map<string, number>()

  list(): readonly Row[] {
    return this.#rows
  }

  add(at: number, event: Event): void {
    for (const row of rowsOf(at, event)) {
      const place = this.#places.get(row.grant ?? '')
      if (place !== undefined) this.#rows[place] = merge(this.#rows[place]!, row)
      else {
        if (row.until !== undefined || row.asked !== undefined)
          this.#places.set(row.grant!, this.#rows.length)
        this.#rows.push(row)
      }
      if (row.result === 'ended') this.#places.delete(row.grant!)
    }
  }
}

/** A later row of the same grant: how it ended, an address more or less, or that it came to nothing. */
function merge(before: Row, row: Row): Row {
  const { at, result, why, detail, addresses, until, by } = row
  const answered = by && { by }
  // The time of a row is when it was asked for.
  if (before.result === 'pending' && result !== 'refused') {
    return {
      ...before,
      result,
      ...(addresses && { addresses }),
      ...(until && { until }),
      ...answered,
    }
  }
  if (result === 'ended') {
    return before.result === 'refused' ? before : { ...before, ended: at, ...(why && { why }) }
  }
  if (result === 'refused')
    return { ...before, result, ...(why && { why }), ...(detail && { detail }), ...answered }
  return { ...before, ...(addresses && { addresses }) }
}

/** What one line of the ledger says by itself; nothing of a retransmission. */
export function rowsOf(atMs: number, event: Event): Row[] {
  const at = isoTime(atMs)
  switch (event.event) {
    case 'knock':
      return [knocked(at, event), ...(event.left ?? []).map(grant => granted(at, grant))]
    case 'failed': {
      const { grant, device, service, error } = event
      const [user = '', label = ''] = device.split('/')
      const why = { why: 'hook-failed', detail: error }
      return [{ at, result: 'refused', user, device: label, services: [service], grant, ...why }]
    }
    case 'narrowed':
      return [{ ...granted(at, event.grant), result: 'narrowed', detail: event.error }]
    case 'approved': {
      const by = answererOf(event.by)
      if (event.grant) return [{ ...granted(at, event.grant), by }]
      return [{ at, result: 'verified', user: event.user, grant: event.id, by }]
    }
    case 'disapproved': {
      const { id, user, device, why, error, outcome } = event
      const by = event.by && { by: answererOf(event.by) }
      const because = why === 'void' ? outcome.reason : why
      const detail = error ?? (why === 'void' ? outcome.detail : '')
      const refused = { at, result: 'refused', user, device: labelOf(device), grant: id }
      return [{ ...refused, why: because, ...(detail && { detail }), ...by }]
    }
    case 'ending':
      return event.left ? [granted(at, event.left)] : []
    case 'ended':
      return [{ at, result: 'ended', user: event.user, grant: event.grant, why: event.why }]
    case 'cut': {
      const { user, services, grant } = event
      return [{ at, result: 'cut', user, services, grant, why: 'removed' }]
    }
    case 'unlocked':
      return [{ at, result: 'unlocked', user: event.user }]
    case 'note':
      return [{ at, result: event.what, ...(event.detail && { detail: event.detail }) }]
    case 'seen':
      return []
  }
}

function knocked(at: string, event: KnockEvent): Row {
  const { user, device, source, outcome, services, verb, factor, grant, pending } = event
  if (grant) return { ...granted(at, grant), result: outcome.status, from: source, factor }
  if (pending) return { ...asked(at, pending), from: source, factor }
  const { status, reason, detail } = outcome
  const refused = status === 'refused'
  return {
    at,
    result: verb === 'verify' && !refused ? 'verified' : status,
    user,
    device: labelOf(device),
    from: source,
    ...(status === 'closed'
      ? { services: detail.split(' ').filter(Boolean) }
      : { services, factor }),
    ...(refused && { why: reason, ...(detail && { detail }) }),
  }
}

const granted = (at: string, { id, user, device, services, networks, until }: Grant): Row => ({
  at,
  result: 'opened',
  user,
  device: labelOf(device),
  services,
  grant: id,
  addresses: networks.map((network: Network) => formatNetwork(network)),
  until: isoTime(until),
})

const asked = (at: string, pending: Pending): Row => {
  const { id, user, device, services, network, approver, channel } = pending
  const asked = answererOf({ user: approver, channel })
  const addresses = [formatNetwork(network)]
  return {
    at,
    result: 'pending',
    user,
    device: labelOf(device),
    services,
    grant: id,
    addresses,
    asked,
  }
}

/** What a person reads of it. */
export function rowCells(row: Row): string[] {
  const { at, user = '', device, from = '', services = [] } = row
  const who = device === undefined ? user : `${user}/${device}`
  return [at, who, from, services.join(', '), resultOf(row)]
}

export const ROW_HEADINGS = ['WHEN', 'WHO', 'FROM', 'WHAT', 'RESULT']

function resultOf(row: Row): string {
  const { result, addresses, until, ended, why, detail, grant, asked, by } = row
  const refused = result === 'refused'
  const where = addresses && !refused ? ` for ${addresses.join(', ')}` : ''
  const lasting = until && !refused && !ended ? ` until ${until}` : ''
  const end = ended ? `, ended ${ended}` : ''
  const which = result === 'ended' ? ` ${grant}` : ''
  const because = why ? `: ${why}` : ''
  const more = detail ? ` (${detail})` : ''
  const answered = by ? `, ${refused ? 'answered' : 'approved'} by ${by}` : ''
  const waits = asked && !by && !ended ? `, asked: ${asked}` : ''
  return `${result}${which}${where}${lasting}${answered}${waits}${end}${because}${more}`
}
