import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseAddress, scopeOf } from '@oneknock/shared'
import { ownCommand } from '../config/command.ts'
import type { HttpSettings } from '../core/http.ts'
import { type Finding, finding, fine } from './finding.ts'

const DAY = 24 * 3600_000
/** Renewals are due a month before the end: whoever has missed that for two weeks does not know. */
const SOON = 14 * DAY

/** The HTTP door: a certificate that ends, and codes that others can read on the way. */
export function doorFindings(http: HttpSettings | undefined, nowMs: number): Finding[] {
  if (!http) return []
  return http.tls ? [certificate(http.tls.cert, nowMs)] : plain(http)
}

function certificate(file: string, nowMs: number): Finding {
  const until = endOf(file)
  if (until === undefined) {
    return finding(
      'http',
      'unknown',
      `${file} cannot be read`,
      'run as root; see the configuration',
    )
  }
  const day = new Date(until).toISOString().slice(0, 10)
  const renew = `renew it, then run: ${ownCommand('reload')}`
  if (until <= nowMs) return finding('http', 'problem', `its certificate ended on ${day}`, renew)
  if (until - nowMs < SOON)
    return finding('http', 'warning', `its certificate ends on ${day}`, renew)
  return fine('http', `its certificate is good until ${day}`)
}

function endOf(file: string): number | undefined {
  try {
    return Date.parse(new X509Certificate(readFileSync(file)).validTo)
  } catch {
    return undefined
  }
}

/** Behind a proxy on this host, plain is what it should be. */
function plain({ listen }: HttpSettings): Finding[] {
  const isHere = listen.every(({ host }) => scopeOf(parseAddress(host)!) === 'loopback')
  if (isHere) return [fine('http', 'is for this host alone')]
  const found = 'speaks plain: whoever is on the way can take a code and use it first'
  return [
    finding(
      'http',
      'warning',
      found,
      'write tls = { cert = …, key = … }, unless you trust the network',
    ),
  ]
}
