import { familyOf, parseAddress } from '@oneknock/shared'
import type { Endpoint, Port, Protocol } from '../core/directory.ts'

/** RFC 1035 section 2.3.4. */
const HOST_MAX = 253
const PORT_MAX = 65_535
const HOST = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/
/** Such a text can only be meant as an IPv4 address, so one that is none is a slip. */
const ENDS_IN_DIGITS = /(^|\.)\d+$/

/** `[::]:62201`, `0.0.0.0:8443`, `gate.example.com:62201`. */
export function parseEndpoint(text: string, defaultPort?: number): Endpoint | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? []
  const port = digits === undefined ? defaultPort : parsePortNumber(digits)
  if (port === undefined) return undefined
  const host = bracketed === undefined ? parseHost(plain ?? '') : parseIPv6(bracketed)
  return host === undefined ? undefined : { host, port }
}

/** An endpoint to listen on: an address, since a name can change its mind. */
export function parseListen(text: string): Endpoint | undefined {
  const endpoint = parseEndpoint(text)
  return endpoint && parseAddress(endpoint.host) ? endpoint : undefined
}

export const formatEndpoint = ({ host, port }: Endpoint): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

const WILDCARDS = new Set(['::', '0.0.0.0'])

/** Whether one socket on `a` keeps another on `b` from being bound; `::` takes IPv4 as well. */
export function endpointsClash(a: Endpoint, b: Endpoint): boolean {
  if (a.port !== b.port) return false
  if (a.host === b.host || a.host === '::' || b.host === '::') return true
  const sameFamily = a.host.includes(':') === b.host.includes(':')
  return sameFamily && (WILDCARDS.has(a.host) || WILDCARDS.has(b.host))
}

/** `tcp/22`, `udp/53`. */
export function parsePort(text: string): Port | undefined {
  const [, protocol, digits] = /^(tcp|udp)\/(\d{1,5})$/.exec(text) ?? []
  const port = digits === undefined ? undefined : parsePortNumber(digits)
  return port === undefined ? undefined : { protocol: protocol as Protocol, port }
}

export const formatPort = ({ protocol, port }: Port): string => `${protocol}/${port}`

function parsePortNumber(digits: string): number | undefined {
  const port = Number(digits)
  return digits.startsWith('0') || port > PORT_MAX ? undefined : port
}

function parseHost(text: string): string | undefined {
  const address = parseAddress(text)
  if (address) return address
  return HOST.test(text) && text.length <= HOST_MAX && !ENDS_IN_DIGITS.test(text) ? text : undefined
}

function parseIPv6(text: string): string | undefined {
  const address = parseAddress(text)
  return address && familyOf(address) === 6 ? address : undefined
}
