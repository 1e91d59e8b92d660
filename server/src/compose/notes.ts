import { formatEndpoint } from '../config/places.ts'
import type { GuardEvent } from '../hooks/guard/events.ts'
import type { LedgerNote } from '../ledger/notes.ts'
import type { HttpNote } from '../listeners/http.ts'
import type { RadiusNote } from '../listeners/radius.ts'
import type { UdpNote } from '../listeners/sockets.ts'
import type { Log } from '../log.ts'

/** What the guard says of itself. */
export function logGuard(log: Log, { kind, ...fields }: GuardEvent): void {
  const level = GUARD_LEVELS[kind]
  log[level](fields, kind.replaceAll('-', ' '))
}

const FOR_THE_TRAIL = ['guard-lost', 'guard-restored', 'guard-on-trial', 'guard-let-go'] as const

/** Whether an auditor wants to know. */
export const isForTheTrail = (kind: GuardEvent['kind']): kind is (typeof FOR_THE_TRAIL)[number] =>
  FOR_THE_TRAIL.some(one => one === kind)

const GUARD_LEVELS: Readonly<{ [kind in GuardEvent['kind']]: 'info' | 'warn' | 'error' }> = {
  'guard-up': 'info',
  'guard-on-trial': 'warn',
  'guard-let-go': 'error',
  'guard-lost': 'error',
  'guard-restored': 'warn',
  'guard-down': 'error',
  'guard-unseen': 'error',
  'child-died': 'warn',
  'one-shot': 'warn',
  'sockets-kept': 'warn',
}

/** What the ledger says of itself. */
export function logLedger(log: Log, { message, ...note }: LedgerNote): void {
  log[note.kind === 'opened' ? 'info' : 'warn'](note, message)
}

/** What the sockets say of themselves. */
export function logUdp(log: Log, { note, ...fields }: UdpNote): void {
  switch (note) {
    case 'bound':
      log.info(fields, 'listening')
      break
    case 'gone':
      log.info(fields, 'address gone')
      break
    case 'buffer-capped':
      log.warn(fields, 'bursts may lose packets: raise net.core.rmem_max')
      break
    case 'socket-error':
    case 'rescan-failed':
      log.error(fields, 'listening failed')
      break
  }
}

/** What the HTTP door says of itself. */
export function logHttp(log: Log, { note, ...fields }: HttpNote): void {
  switch (note) {
    case 'bound':
      log.info({ ...fields, door: 'http' }, 'listening')
      break
    case 'gone':
      log.info({ ...fields, door: 'http' }, 'address gone')
      break
    case 'http-failed':
      log.error(fields, 'a request could not be answered')
      break
  }
}

/** What the RADIUS door says of itself. */
export function logRadius(log: Log, note: RadiusNote): void {
  switch (note.note) {
    case 'upstream-silent':
      log.warn({ server: formatEndpoint(note.server) }, 'a RADIUS server does not answer')
      break
    case 'upstream-back':
      log.info({ server: formatEndpoint(note.server) }, 'a RADIUS server answers again')
      break
    case 'upstream-unsigned':
      log.error(
        { server: formatEndpoint(note.server) },
        'a RADIUS server answers without Message-Authenticator, which counts for nothing; make it send one',
      )
      break
    case 'buffer-capped': // The knocks' own sockets say it already.
      break
    default:
      logUdp(log.child({ door: 'radius' }), note)
  }
}
