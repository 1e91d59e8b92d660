import { isDeepStrictEqual } from 'node:util'
import { fail, ok, type Result } from '@oneknock/shared'
import type { Config } from '../config.ts'
import type { Keyring } from '../core/keyring.ts'
import type { Gatekeeper, Record } from '../gatekeeper.ts'
import type { LivingHook } from '../hooks/hook.ts'
import type { HttpListener } from '../listeners/http.ts'
import type { RadiusListener } from '../listeners/radius.ts'
import type { UdpListener } from '../listeners/udp.ts'
import type { Log } from '../log.ts'
import { type StartError, StartFailure, step } from './failure.ts'
import { hookConfig } from './hooks.ts'
import { planOf } from './http.ts'
import { radiusPlanOf } from './radius.ts'
import { devicesOf, type Settings } from './settings.ts'

export interface ReloadParts {
  /** What everybody looks at; a reload replaces what is in it. */
  readonly current: { config: Settings['config']; directory: Settings['directory'] }
  readonly listener: UdpListener
  readonly http: HttpListener
  readonly radius: RadiusListener
  readonly hooks: readonly LivingHook[]
  readonly keyring: Keyring
  readonly gatekeeper: Gatekeeper
  readonly record: Record
  readonly log: Log
}

/**
 * Takes up other settings whole, or keeps the present ones whole. Knocks go on meanwhile: until all
 * is in place they are judged by the old settings, and heard at the old and the new addresses.
 */
export async function reload(
  parts: ReloadParts,
  next: Settings,
): Promise<Result<void, StartError>> {
  const { current, listener, http, radius, hooks, keyring, gatekeeper, record } = parts
  const before = { ...current }
  const needsRestart = changedForGood(before.config, next.config)
  if (needsRestart) return fail({ code: 'restart', message: needsRestart })
  const configured: LivingHook[] = []
  const plans = { http: http.plan, radius: radius.plan }
  const newPlans = await plansOf(next.config).catch((error: Error) => error)
  if (newPlans instanceof Error) return fail({ code: 'listen', message: newPlans.message })
  try {
    await step('listen', listener.listen([...before.config.listen, ...next.config.listen]))
    await step('listen', http.configure(plans.http, next.config.http?.listen))
    await step('listen', radius.configure(plans.radius, next.config.radius?.listen))
    for (const hook of hooks) {
      await step('hook', hook.configure(hookConfig(next)))
      configured.push(hook)
    }
  } catch (error) {
    for (const hook of configured) await attempt(parts, hook.configure(hookConfig(before)))
    await attempt(parts, listener.listen(before.config.listen))
    await attempt(parts, http.configure(plans.http))
    await attempt(parts, radius.configure(plans.radius))
    await attempt(parts, gatekeeper.agree(hooks))
    if (error instanceof StartFailure) return fail(error.reason)
    throw error
  }
  current.config = next.config
  current.directory = next.directory
  keyring.assign(devicesOf(next.directory))
  const revised = gatekeeper.revise()
  await attempt(parts, listener.listen(next.config.listen))
  await attempt(parts, http.configure(newPlans.http))
  await attempt(parts, radius.configure(newPlans.radius))
  await attempt(parts, gatekeeper.agree(hooks))
  // Whoever put somebody out is told so when they are.
  await attempt(parts, revised)
  await record({ event: 'note', what: 'reloaded' })
  return ok(undefined)
}

/** What the doors without a key are to do, with the secrets and certificates that belong to it. */
const plansOf = async (config: Config) => ({
  http: await planOf(config),
  radius: await radiusPlanOf(config),
})

/** What cannot be refused any more is said. */
async function attempt({ log }: ReloadParts, work: Promise<unknown>): Promise<void> {
  await work.catch(({ message }) => log.error({ error: message }, 'reload'))
}

/** What a reload cannot change, in words; `undefined` if there is nothing of it. */
function changedForGood(before: Config, after: Config): string | undefined {
  const changed = [
    before.state !== after.state && 'state',
    before.freshness !== after.freshness && 'freshness',
    before.firewall.backend !== after.firewall.backend && 'firewall.backend',
    before.adminGroup !== after.adminGroup && 'admin.group',
    before.helperSocket !== after.helperSocket && 'helper.socket',
    !isDeepStrictEqual(before.metricsAt, after.metricsAt) && 'metrics.listen',
  ].filter(key => key !== false)
  return changed.length > 0
    ? `${changed.join(' and ')} cannot change while the daemon runs: restart it`
    : undefined
}
