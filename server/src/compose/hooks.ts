import type { Clock } from '../core/clock.ts'
import type { Service } from '../core/directory.ts'
import type { Opening } from '../core/openings.ts'
import { type Message, makeDelivery } from '../delivery.ts'
import type { Found } from '../doors.ts'
import type { Record } from '../gatekeeper.ts'
import { AuthorizedKeysHook } from '../hooks/authorized-keys.ts'
import { ExecHook } from '../hooks/exec.ts'
import { GateHook } from '../hooks/gate.ts'
import type { GuardEvent } from '../hooks/guard/events.ts'
import type { Hook, HookConfig, LivingHook, ReopeningHook } from '../hooks/hook.ts'
import { IpsetHook } from '../hooks/ipset.ts'
import { NftablesHook } from '../hooks/nftables.ts'
import { RouterOsHook } from '../hooks/routeros.ts'
import type { Log } from '../log.ts'
import { readSecret } from '../secrets.ts'
import { isForTheTrail, logGuard } from './notes.ts'
import type { Settings } from './settings.ts'

/** Every kind of hook that these settings can use; which services each serves, `serves` tells. */
export function makeHooks(
  settings: () => Settings,
  clock: Clock,
  log: Log,
  record: Record,
): readonly LivingHook[] {
  const { config, directory } = settings()
  const { users } = directory
  const { services, allow, spaPorts, ifDead } = hookConfig(settings())
  const note = (fields: object, line: string) => log.info(fields, line)
  const report = (event: GuardEvent) => {
    logGuard(log, event)
    if (isForTheTrail(event.kind)) void record({ event: 'note', what: event.kind })
  }
  const always = [
    new GateHook({ services, clock, log: note }),
    new ExecHook({ services, clock, log: note, helperSocket: config.helperSocket }),
    new AuthorizedKeysHook({ services, users, clock, log: note }),
    new RouterOsHook({
      ...{ services, clock, log: note, readSecret },
      state: config.state,
      deliver: (channel, user, letter) => deliver(settings(), channel, user, letter),
    }),
  ]
  const guard = { services, allow, spaPorts, ifDead, clock, report }
  switch (config.firewall.backend) {
    case 'nftables':
      return [new NftablesHook(guard), ...always]
    case 'ipset':
      return [new IpsetHook(guard), ...always]
    default:
      return always
  }
}

/** Starts each with what is to be open of its services, and notes how to stop it; what some then hold. */
export async function startHooks(
  hooks: readonly LivingHook[],
  wanted: readonly Opening[],
  services: ReadonlyMap<string, Service>,
  undo: (() => Promise<unknown>)[],
): Promise<Found> {
  const found = new Map<Hook, readonly Opening[]>()
  for (const hook of hooks) {
    if (canReopen(hook)) {
      const theirs = wanted.filter(({ service }) => serves(hook, services.get(service)))
      found.set(hook, await hook.startWith(theirs))
    } else await hook.start()
    undo.push(() => hook.stop())
  }
  return found
}

const canReopen = (hook: LivingHook): hook is ReopeningHook => 'startWith' in hook

/** With the channels and addresses of the settings as they are when there is something to tell. */
export const deliver = (
  { config, directory }: Settings,
  channel: string,
  user: string,
  message: Message,
): Promise<void> =>
  makeDelivery(config.delivery, { readSecret, now: Date.now }).send(
    channel,
    { user, contact: directory.users.get(user)?.contact },
    message,
  )

export const hookConfig = ({ config, directory }: Settings): HookConfig => ({
  services: [...config.services.values()],
  allow: config.firewall.allow,
  spaPorts: [...new Set(config.listen.map(({ port }) => port))],
  ifDead: config.firewall.ifDead,
  users: directory.users,
})

/** Whether this hook has something to do for that service. */
export function serves(hook: Hook, service: Service | undefined): boolean {
  if (service?.testOnly) return false
  switch (hook.name) {
    case 'nftables':
    case 'ipset':
      return (service?.ports.length ?? 0) > 0
    case 'gate':
      return service?.gate !== undefined
    case 'exec':
      return service?.exec !== undefined
    case 'authorized-keys':
      return service?.permit !== undefined
    case 'routeros':
      return service?.routeros !== undefined
    default:
      return false
  }
}
