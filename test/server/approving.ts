import type { CredentialAttempt } from '../../server/src/listeners/listener.ts'
import { type Kit, type KitOptions, kit, service, user } from './kit.ts'

/** Services that somebody must approve, and who asks for them. */

export const TIMEOUT_MS = 120_000
export const approval = { channel: 'phone', timeoutMs: TIMEOUT_MS }
export const services = [
  service('ssh'),
  service('vault', { approval, lifetime: 600 }),
  service('safe', { approval: { ...approval, approver: 'bob' } }),
]
export const alice = user('alice', 1, { services: ['ssh', 'vault', 'safe'] })
export const bob = user('bob', 2, { services: ['ssh'] })

export const start = (options: KitOptions = {}) =>
  kit({ services, users: [alice, bob], ...options })

/** One knock, all of whose packets have its id. */
export function knocks(k: Kit, names: readonly string[] = ['vault'], lifetime = 0) {
  const changes = { services: names, lifetime, factor: k.code() }
  const knockId = `${k.lines.length}`.padStart(16, '7')
  return () => k.send(k.packet({ ...changes, knockId }))
}

export const events = (k: Kit) => k.lines.map(({ event }) => event)
export const answers = (k: Kit) =>
  events(k).flatMap(event =>
    event.event === 'approved' || event.event === 'disapproved' ? [event] : [],
  )
export const claim = (k: Kit, changes: Partial<CredentialAttempt> = {}): CredentialAttempt => ({
  door: 'radius',
  user: 'alice',
  factor: k.code(),
  services: ['ssh'],
  lifetime: 0,
  source: '203.0.113.9',
  ...changes,
})
