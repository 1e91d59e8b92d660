import { fromBase64Url, toBase64Url } from './bytes.ts'
import { DEFAULT_PORT, KEY_BYTES } from './constants.ts'
import { parseDoorUrl } from './door-url.ts'
import { isName } from './names.ts'
import { fail, ok, type Result } from './result.ts'

/** All that a client needs to knock at one server. It holds the device's key: it is a secret. */
export interface Invitation {
  /** A host name, or an address without brackets. */
  readonly host: string
  readonly port: number
  /** What the server calls itself: the client's name for the target unless it takes another. */
  readonly name: string
  readonly user: string
  readonly device: string
  readonly key: Uint8Array
  readonly services: readonly string[]
  /** Where packets are taken over HTTP, for networks that let no UDP out; absent: nowhere. */
  readonly http?: string
}

export type InvitationError = {
  readonly code: 'invitation'
  /** Which part is missing or wrong; never what stood there, since it may be the key. */
  readonly part:
    | 'scheme'
    | 'host'
    | 'port'
    | 'version'
    | 'name'
    | 'user'
    | 'device'
    | 'key'
    | 'services'
    | 'http'
}

const bad = (part: InvitationError['part']) => fail<InvitationError>({ code: 'invitation', part })

const SCHEME = 'oneknock:'
const HOST = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)$/
/** A public host name is at most this long (RFC 1035 section 2.3.4). */
const HOST_MAX = 253

/** `oneknock://HOST:PORT/?v=1&name=N&user=U&device=L&key=BASE64URL&services=a,b[&http=URL]` */
export function parseInvitation(text: string): Result<Invitation, InvitationError> {
  const trimmed = text.trim()
  if (!trimmed.toLowerCase().startsWith(SCHEME)) return bad('scheme')
  const url = parseUrl(trimmed)
  // What stands before an @ looks like the host to a reader, and is not.
  if (url?.username !== '' || url.password !== '') return bad('host')
  if (!HOST.test(url.hostname) || url.hostname.length > HOST_MAX) return bad('host')
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port)
  if (port < 1) return bad('port')
  const query = url.searchParams
  if (only(query, 'v') !== '1') return bad('version')
  const name = only(query, 'name')
  if (!isName(name)) return bad('name')
  const user = only(query, 'user')
  if (!isName(user)) return bad('user')
  const device = only(query, 'device')
  if (!isName(device)) return bad('device')
  const key = fromBase64Url(only(query, 'key'))
  if (key?.length !== KEY_BYTES) return bad('key')
  const listed = only(query, 'services')
  const services = listed === '' ? [] : listed.split(',')
  if (!services.every(isName) || query.getAll('services').length > 1) return bad('services')
  const http = query.has('http') ? parseDoorUrl(only(query, 'http')) : undefined
  if (query.has('http') && http === undefined) return bad('http')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const invitation = { host, port, name, user, device, key, services }
  return ok(http === undefined ? invitation : { ...invitation, http })
}

export function formatInvitation(invitation: Invitation): string {
  const { host, port, name, user, device, key, services, http } = invitation
  const place = host.includes(':') ? `[${host}]` : host
  return (
    `oneknock://${place}:${port}/?v=1&name=${name}&user=${user}&device=${device}` +
    `&key=${toBase64Url(key)}&services=${services.join(',')}` +
    (http === undefined ? '' : `&http=${encodeURIComponent(http)}`)
  )
}

/** Empty if it is absent or there are several: two readers could pick different ones. */
function only(query: URLSearchParams, name: string): string {
  const values = query.getAll(name)
  return values.length === 1 ? values[0]! : ''
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}
