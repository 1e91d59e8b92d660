import { setTimeout as pause } from 'node:timers/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import { readTrusted, type TrustedFile } from '../config/files.ts'
import type { Config } from '../config.ts'
import { formatConfigError } from '../config.ts'
import type { Clock } from '../core/clock.ts'
import type { TlsFiles } from '../core/http.ts'
import { TokenOwners } from '../core/tokens.ts'
import type { Counters } from '../counters.ts'
import { type HttpListener, type HttpPlan, httpListener, type Route } from '../listeners/http.ts'
import type { Log } from '../log.ts'
import { logHttp } from './notes.ts'
import type { Settings } from './settings.ts'

/** A chain of certificates takes a tenth of it. */
const PEM_MAX = 64 * 1024
const CERTIFICATE: TrustedFile = { secrecy: 'unwritable', most: PEM_MAX }
const KEY: TrustedFile = { secrecy: 'private', most: PEM_MAX }

export interface HttpParts {
  readonly settings: () => Settings
  readonly clock: Clock
  readonly counters: Counters
  readonly log: Log
  /** What else is answered there. */
  readonly routes: readonly Route[]
}

/** The HTTP door, which does nothing until it is configured. */
export function makeHttp({ settings, clock, counters, log, routes }: HttpParts): HttpListener {
  const owners = new TokenOwners()
  return httpListener({
    clock,
    pause,
    ownerOf: publicId => owners.of(settings().directory, publicId),
    routes,
    report: note => logHttp(log, note),
    count: what => counters.countDoor('http', what),
  })
}

/** What the door is to do by these settings; throws, in words, if its certificate is not fit for it. */
export async function planOf({ http }: Config): Promise<HttpPlan | undefined> {
  return http && { settings: http, secure: http.tls && readTls(http.tls) }
}

/** Read anew with every reload: that is how a renewed certificate is taken up. */
export function readTls({ cert, key }: TlsFiles): SecureContext {
  const [certificate, secret] = [readPem(cert, CERTIFICATE), readPem(key, KEY)]
  try {
    return createSecureContext({ cert: certificate, key: secret, minVersion: 'TLSv1.2' })
  } catch (error) {
    const { code = (error as Error).name } = error as NodeJS.ErrnoException
    throw new Error(
      `http.tls: ${cert} and ${key} are no certificate and its key, both in PEM (${code})`,
    )
  }
}

function readPem(file: string, rule: TrustedFile): string {
  const text = readTrusted(file, rule)
  if (text.ok) return text.value
  throw new Error(formatConfigError(text.error))
}
