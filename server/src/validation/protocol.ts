import { createHmac, timingSafeEqual } from 'node:crypto'

/**
 * Yubico's validation protocol, version 2.0: what is signed and how, for whoever asks and whoever
 * answers. Parameters stand in a query, the lines of an answer are `name=value`.
 */

export type Parameters = Readonly<Record<string, string>>

/** What an answer can say of an OTP, as far as it matters here. */
export type Status =
  | 'OK'
  | 'BAD_OTP'
  | 'REPLAYED_OTP'
  | 'REPLAYED_REQUEST'
  | 'BAD_SIGNATURE'
  | 'MISSING_PARAMETER'
  | 'NO_SUCH_CLIENT'
  | 'OPERATION_NOT_ALLOWED'
  | 'BACKEND_ERROR'

/** As bytes; 128 bits at the least, and no more than HMAC-SHA-1 has use for. */
const KEY_MIN = 16
const KEY_MAX = 64

/** The API key as its server hands it out, in base64; `undefined` if it is none. */
export function parseApiKey(text: string): Uint8Array | undefined {
  const key = Buffer.from(text, 'base64')
  const isWhole = key.toString('base64') === text
  return isWhole && key.length >= KEY_MIN && key.length <= KEY_MAX ? key : undefined
}

/** HMAC-SHA-1 over the parameters in the order of their names, without `h`; in base64. */
export function signatureOf(parameters: Parameters, key: Uint8Array): string {
  const text = Object.keys(parameters)
    .filter(name => name !== 'h')
    .sort()
    .map(name => `${name}=${parameters[name]}`)
    .join('&')
  return createHmac('sha1', key).update(text).digest('base64')
}

/** In constant time; what has no signature, or none that could be one, is not signed. */
export function isSigned(parameters: Parameters, key: Uint8Array): boolean {
  const expected = Buffer.from(signatureOf(parameters, key), 'base64')
  const given = Buffer.from(parameters.h ?? '', 'base64')
  return given.length === expected.length && timingSafeEqual(given, expected)
}

export const formatQuery = (parameters: Parameters, key: Uint8Array): string =>
  new URLSearchParams({ ...parameters, h: signatureOf(parameters, key) }).toString()

/** The lines of an answer. A name that comes twice could mean either: then it means nothing. */
export function parseAnswer(text: string): Parameters | undefined {
  const found = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    if (line === '') continue
    const equals = line.indexOf('=')
    const name = line.slice(0, Math.max(0, equals))
    if (!/^[a-z]+$/.test(name) || found.has(name)) return undefined
    found.set(name, line.slice(equals + 1))
  }
  return Object.fromEntries(found)
}

/** Signed, with the line ends that the protocol wants. */
export function formatAnswer(parameters: Parameters, key: Uint8Array | undefined): string {
  const signed = key ? { h: signatureOf(parameters, key), ...parameters } : parameters
  return Object.entries(signed)
    .map(([name, value]) => `${name}=${value}\r\n`)
    .join('')
}
