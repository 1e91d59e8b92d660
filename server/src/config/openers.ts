import { type AddressScope, parseAddress, scopeOf } from '@oneknock/shared'
import * as v from 'valibot'
import type {
  ForwardSettings,
  PermitSettings,
  RouterOpens,
  RouterSettings,
  RouterTrust,
  SecretSource,
} from '../core/directory.ts'
import { parseEndpoint, parseListen } from './places.ts'
import { list, parsed, table } from './tables.ts'
import * as value from './values.ts'

/** What a service opens beyond ports of this host: ssh forwards, and MikroTik routers. */

const destination = parsed(
  text => parseEndpoint(text),
  'write a host and a port, such as "mail.internal:993"',
)

const INNER = '"10.0.0.5:22" or "[fd00::5]:22"'

/** An address, since a name can change its mind, and the kernel knows none. */
const inner = parsed(text => {
  const place = parseListen(text)
  const address = place && parseAddress(place.host)
  const isHost = address && !NOBODY_BEHIND.has(scopeOf(address))
  return isHost ? { address, port: place.port } : undefined
}, `write the address and port of a host behind this one, such as ${INNER}`)

const NOBODY_BEHIND: ReadonlySet<AddressScope> = new Set([
  'unspecified',
  'loopback',
  'multicast',
  'link-local',
])

const inners = v.pipe(
  list(inner, `write a list, each ${INNER}`),
  v.minLength(1, `write at least one, such as ${INNER}`),
)

/** In the service's own table, beside its ports. */
export const forwardKeys = {
  forward: v.optional(v.lazy(input => (Array.isArray(input) ? inners : oneInner))),
  masquerade: v.optional(value.flag),
}

const oneInner = v.pipe(
  inner,
  v.transform(place => [place]),
)

type ForwardKeys = { [K in keyof typeof forwardKeys]: v.InferOutput<(typeof forwardKeys)[K]> }

export const toForward = ({ forward, masquerade }: ForwardKeys): ForwardSettings | undefined =>
  forward && { to: forward, masquerade: masquerade ?? false }

/** In the service's own table, beside its other keys. */
export const permitKeys = {
  permit: v.optional(
    v.pipe(
      list(destination, 'write a list, such as ["mail.internal:993"]'),
      v.minLength(1, 'write at least one host and port, such as ["mail.internal:993"]'),
    ),
  ),
  account: v.optional(value.account),
  authorized_keys: v.optional(value.path),
}

type PermitKeys = { [K in keyof typeof permitKeys]: v.InferOutput<(typeof permitKeys)[K]> }

export const toPermit = ({
  permit,
  account = '',
  authorized_keys,
}: PermitKeys): PermitSettings | undefined =>
  permit && { to: permit, account, file: authorized_keys }

const environment = parsed(
  text => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(text) ? text : undefined),
  'write the name of an environment variable, such as "ROUTER_PASSWORD"',
)

/** A secret has two keys, for two places where it may stand, and never stands here itself. */
export const secretKeys = <const N extends string>(name: N) =>
  ({
    [`${name}_file`]: v.optional(value.path),
    [`${name}_env`]: v.optional(environment),
  }) as { [K in `${N}_file` | `${N}_env`]: v.OptionalSchema<typeof value.path, undefined> }

export function toSecret(
  raw: Readonly<Record<string, unknown>>,
  name: string,
): SecretSource | undefined {
  const [path, variable] = [raw[`${name}_file`], raw[`${name}_env`]]
  if (typeof path === 'string') return { kind: 'file', path }
  return typeof variable === 'string' ? { kind: 'environment', variable } : undefined
}

/** For a check of the table that holds the two keys. */
export const isToldOnce = (raw: Readonly<Record<string, unknown>>, name: string): boolean =>
  raw[`${name}_file`] === undefined || raw[`${name}_env`] === undefined

export const toldTwice = (name: string): string => `write ${name}_file or ${name}_env, not both`

export const untold = (name: string): string =>
  `write ${name}_file = "/etc/oneknock/${name}", or ${name}_env`

const url = parsed(text => {
  if (!/^https:\/\/[^\s/?#@]+\/?$/.test(text) || !URL.canParse(text)) return undefined
  return new URL(text).origin
}, 'write the router’s address, such as "https://192.0.2.1"; only TLS keeps its password')

const fingerprint = parsed(text => {
  const digits = text
    .toLowerCase()
    .replace(/^sha-?256:/, '')
    .replaceAll(':', '')
  return /^[0-9a-f]{64}$/.test(digits) ? digits : undefined
}, 'write the SHA-256 fingerprint of the router’s certificate, 64 hexadecimal digits, as /certificate/print detail shows it')

/** As a RouterOS name in a query: nothing that would have to be quoted. */
const routerName = parsed(
  text => (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(text) ? text : undefined),
  'write a name of letters, digits, "_", "." and "-"',
)

export const routerSchema = v.pipe(
  table({
    url,
    user: routerName,
    ...secretKeys('password'),
    fingerprint: v.optional(fingerprint),
    ca: v.optional(value.path),
    list: v.optional(routerName),
    group: v.optional(routerName),
    deliver: v.optional(value.name),
  }),
  v.check(raw => isToldOnce(raw, 'password'), toldTwice('password')),
  v.check(raw => toSecret(raw, 'password') !== undefined, untold('password')),
  v.check(
    ({ fingerprint, ca }) => (fingerprint === undefined) !== (ca === undefined),
    'write either fingerprint or ca: without them anybody could be the router',
  ),
  v.check(
    ({ list, group }) => (list === undefined) !== (group === undefined),
    'write either list = "…", for an address list, or group = "…", for a login',
  ),
  v.check(
    ({ group, deliver }) => (group === undefined) === (deliver === undefined),
    'group and deliver go together: a login is told to its owner on a channel, such as deliver = "post" with [delivery.post]',
  ),
  v.transform(
    (raw): RouterSettings => ({
      url: raw.url,
      user: raw.user,
      password: toSecret(raw, 'password')!,
      trust: trustOf(raw),
      opens: opensOf(raw),
    }),
  ),
)

const trustOf = (raw: {
  fingerprint?: string | undefined
  ca?: string | undefined
}): RouterTrust =>
  raw.fingerprint === undefined
    ? { kind: 'ca', file: raw.ca! }
    : { kind: 'fingerprint', sha256: raw.fingerprint }

const opensOf = (raw: {
  list?: string | undefined
  group?: string | undefined
  deliver?: string | undefined
}): RouterOpens =>
  raw.list === undefined
    ? { kind: 'login', group: raw.group!, deliver: raw.deliver! }
    : { kind: 'list', list: raw.list }
