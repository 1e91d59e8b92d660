import { fail, ok, type Result } from '@oneknock/shared'
import type { Config } from '../config.ts'
import type { Clock } from '../core/clock.ts'
import type { SecretSource } from '../core/directory.ts'
import type { HttpSettings } from '../core/http.ts'
import { TokenOwners } from '../core/tokens.ts'
import { type ValidationRouteParts, validationRoute } from '../listeners/http/validation.ts'
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

export interface ValidationParts {
  readonly settings: () => Pick<Settings, 'directory'>
  readonly clientKeys: ValidationRouteParts['clientKeys']
  readonly clock: Clock
  readonly judge: Judge
}

/** Answers the validation protocol for the clients that the configuration names. */
export function makeValidation({ settings, clientKeys, clock, judge }: ValidationParts): Route {
  const owners = new TokenOwners()
  return validationRoute({
    judge: () => judge,
    clientKeys,
    ownerOf: publicId => owners.of(settings().directory, publicId),
    now: () => clock.now(),
  })
}

/** Throws, in words, if one cannot be had: a request that anybody can send must not read files. */
export function clientKeysOf({ validation = new Map() }: HttpSettings): Map<string, Uint8Array> {
  const keys = new Map<string, Uint8Array>()
  for (const [id, path] of validation) {
    const key = readApiKey({ kind: 'file', path })
    if (!key.ok) throw new Error(`${clientKey(id)}: ${key.error}`)
    keys.set(id, key.value)
  }
  return keys
}

const clientKey = (id: string): string => `http.validation.clients.${id}`

/** The keys of the validation protocol: our own, and those of our clients. */
export function apiKeys({ yubikey, http }: Pick<Config, 'yubikey' | 'http'>): NamedSecret[] {
  const own = yubikey ? [{ key: 'yubikey', source: yubikey.key, read: readApiKey }] : []
  const clients = [...(http?.validation ?? [])].map(([id, path]) => ({
    key: clientKey(id),
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
