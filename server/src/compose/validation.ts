import type { Clock } from '../core/clock.ts'
import { TokenOwners } from '../core/tokens.ts'
import { validationRoute } from '../listeners/http/validation.ts'
import type { Route } from '../listeners/http.ts'
import type { Judge } from '../listeners/listener.ts'
import type { Log } from '../log.ts'
import { readSecret } from '../secrets.ts'
import { parseApiKey } from '../validation/protocol.ts'
import type { Settings } from './settings.ts'

/** Answers the validation protocol for the clients that the configuration names. */
export function makeValidation(
  settings: () => Settings,
  { now }: Clock,
  judge: Judge,
  log: Log,
): Route {
  const owners = new TokenOwners()
  const clients = () => settings().config.http?.validation
  return validationRoute({
    judge: () => judge,
    isOn: () => (clients()?.size ?? 0) > 0,
    keyOf: id => {
      const path = clients()?.get(id)
      return path === undefined ? undefined : keyIn(path, log)
    },
    ownerOf: publicId => owners.of(settings().directory, publicId),
    now,
  })
}

function keyIn(path: string, log: Log): Uint8Array | 'unreadable' {
  try {
    const key = parseApiKey(readSecret({ kind: 'file', path }))
    if (key) return key
    log.error({ file: path }, 'no API key in base64, of 16 bytes or more')
  } catch (error) {
    log.error({ error: (error as Error).message }, 'no API key')
  }
  return 'unreadable'
}
