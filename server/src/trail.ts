import { formatNetwork } from '@oneknock/shared'
import type { AnsweredBy, Event } from './core/events.ts'
import { inOneWrite, type Log } from './log.ts'

/** Logs events once the turn ends in which they came on record: doors wait for that, and for no log. */
export function laterLog(log: Log): (event: Event) => void {
  let events: Event[] = []
  const logAll = () => {
    const all = events
    events = []
    inOneWrite(() => {
      for (const event of all) logEvent(log, event)
    })
  }
  return event => {
    if (events.length === 0) setImmediate(logAll)
    events.push(event)
  }
}

/** What the log says of an event that is on record; the ledger has every detail. */
export function logEvent(log: Log, event: Event): void {
  switch (event.event) {
    case 'knock': {
      const { device, source, outcome, services } = event
      const { status, reason, detail, lifetime, grant, network } = outcome
      if (status === 'refused') log.warn({ device, source, reason, detail, services }, 'refused')
      else if (status === 'closed') log.info({ device, source, services: detail }, 'closed')
      else {
        const address = formatNetwork(network)
        log.info({ device, source, services: detail, address, lifetime, grant }, status)
      }
      break
    }
    case 'failed': {
      const { grant, device, service, error } = event
      log.error({ grant, device, service, error }, 'hook failed; rolled back')
      break
    }
    case 'narrowed':
      log.error({ grant: event.grant.id, error: event.error }, 'second address not opened')
      break
    case 'approved': {
      const { id, device, by, outcome } = event
      const { detail: services, lifetime, grant } = outcome
      log.info({ device, by: answererOf(by), waited: id, services, lifetime, grant }, 'approved')
      break
    }
    case 'disapproved': {
      const { id, device, by, why, error, outcome } = event
      const { reason, detail } = outcome
      const fields = { device, why, waited: id, reason, detail }
      const answered = { ...(by && { by: answererOf(by) }), ...(error && { error }) }
      log.warn({ ...fields, ...answered }, 'not approved')
      break
    }
    case 'ended':
      log.info({ grant: event.grant, user: event.user, why: event.why }, 'ended')
      break
    case 'cut': {
      const { grant, user, services } = event
      log.info({ grant, user, services }, 'cut')
      break
    }
    case 'unlocked':
      log.info({ user: event.user }, 'unlocked')
      break
    case 'note':
      log.info(event.detail ? { detail: event.detail } : {}, event.what)
      break
    case 'ending':
    case 'seen':
      break
  }
}

/** Whoever had the link that was sent to somebody cannot be told from them. */
export const answererOf = (by: AnsweredBy): string =>
  'administrator' in by ? 'an administrator' : `${by.user} by ${by.channel}`

/** What came on record, and when. */
export interface TrailEntry {
  readonly at: number
  readonly event: Event
}

/** Those who follow what comes on record; they hear of it in the same turn in which it is durable. */
export class Trail {
  readonly #followers = new Set<(entry: TrailEntry) => void>()

  /** Returns how to stop. */
  follow(follower: (entry: TrailEntry) => void): () => void {
    this.#followers.add(follower)
    return () => this.#followers.delete(follower)
  }

  tell(entry: TrailEntry): void {
    for (const follower of this.#followers) follower(entry)
  }
}
