import { fail, ok, type Result } from '@oneknock/shared'
import type { Config } from '../config.ts'
import type { Clock } from '../core/clock.ts'
import type { SecretSource } from '../core/directory.ts'
import { TokenOwners } from '../core/tokens.ts'
import { validationRoute } from '../listeners/http/validation.ts'
import type { Route } from '../listeners/http.ts'
import type { Judge } from '../listeners/listener.ts'
import type { Log } from '../log.ts'
import { pooledRandom } from '../random.ts'
import { readSecret, tryToRead } from '../secrets.ts'
import type { Validate } from '../validating.ts'
import { validator } from '../validation/client.ts'
import { parseApiKey } from '../validation/protocol.ts'
import type { NamedSecret } from './secret-files.ts'
import { seldom } from './seldom.ts'
import type { Settings } from './settings.ts'

/** Asks the validation servers that the configuration names. */
export function makeValidator(
  settings: () => Pick<Settings, 'config'>,
  clock: Clock,
  log: Log,
): Validate {
  const isDue = seldom(clock)
  return validator({
    settings: () => settings().config.yubikey,
    readSecret,
    random: pooledRandom(),
    report: fault => {
      if (isDue(fault.server)) log.warn(fault, 'no valid answer from a validation server')
    },
  })
}

/** Answers the validation protocol for the clients that the configuration names. */
export function makeValidation(
  settings: () => Settings,
  clock: Clock,
  judge: Judge,
  log: Log,
): Route {
  const owners = new TokenOwners()
  const clients = () => settings().config.http?.validation
  const isDue = seldom(clock)
  return validationRoute({
    judge: () => judge,
    isOn: () => (clients()?.size ?? 0) > 0,
    keyOf: id => {
      const path = clients()?.get(id)
      if (path === undefined) return undefined
      const key = readApiKey({ kind: 'file', path })
      if (key.ok) return key.value
      if (isDue(path)) log.error({ error: key.error }, 'no API key')
      return 'unreadable'
    },
    ownerOf: publicId => owners.of(settings().directory, publicId),
    now: () => clock.now(),
  })
}

/** The keys of the validation protocol: our own, and those of our clients. */
export function apiKeys({ yubikey, http }: Pick<Config, 'yubikey' | 'http'>): NamedSecret[] {
  const own = yubikey ? [{ key: 'yubikey', source: yubikey.key, read: readApiKey }] : []
  const clients = [...(http?.validation ?? [])].map(([id, path]) => ({
    key: `http.validation.clients.${id}`,
    source: { kind: 'file', path } as const,
    read: readApiKey,
  }))
  return [...own, ...clients]
}

function readApiKey(source: SecretSource): Result<Uint8Array, string> {
  const text = tryToRead(source)
  if (!text.ok) return text
  const key = parseApiKey(text.value)
  if (key) return ok(key)
  const place = source.kind === 'file' ? source.path : source.variable
  const remedy = 'write it as it was handed out, or make one with: openssl rand -base64 20'
  return fail(`${place} holds no API key, 16 bytes in base64; ${remedy}`)
}
