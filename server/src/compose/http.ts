import { setTimeout as pause } from 'node:timers/promises'
import { readCertificate } from '../config/certificate.ts'
import { type Config, formatConfigError } from '../config.ts'
import type { Clock } from '../core/clock.ts'
import { TokenOwners } from '../core/tokens.ts'
import type { Counters } from '../counters.ts'
import { type HttpListener, type HttpPlan, httpListener, type Route } from '../listeners/http.ts'
import type { Log } from '../log.ts'
import { pooledRandom } from '../random.ts'
import { logHttp } from './notes.ts'
import { seldom } from './seldom.ts'
import type { Settings } from './settings.ts'
import { clientKeysOf } from './validation.ts'

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
  const isDue = seldom(clock)
  return httpListener({
    clock,
    pause,
    random: pooledRandom(),
    ownerOf: publicId => owners.of(settings().directory, publicId),
    routes,
    report: note => {
      if (note.note !== 'http-failed' || isDue(note.note)) logHttp(log, note)
    },
    count: what => counters.countDoor('http', what),
  })
}

/** What the door is to do by these settings; rejects, in words, if a file that they name is not fit for it. */
export async function planOf({ http }: Config): Promise<HttpPlan | undefined> {
  if (!http) return undefined
  // Read anew with every reload: that is how a renewed certificate is taken up, or another key.
  const clientKeys = clientKeysOf(http)
  if (!http.tls) return { settings: http, secure: undefined, clientKeys }
  const certificate = readCertificate(http.tls)
  if (!certificate.ok) throw new Error(formatConfigError(certificate.error))
  return { settings: http, secure: certificate.value.secure, clientKeys }
}
