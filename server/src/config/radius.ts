import { isName, NAME_RULE, parseAddress, parseNetwork } from '@oneknock/shared'
import * as v from 'valibot'
import {
  ADDRESSES_FROM,
  RADIUS_MODES,
  type RadiusClient,
  type RadiusSettings,
} from '../core/radius.ts'
import { approvalKeys, NEEDS_APPROVAL, toApproval } from './approval.ts'
import { isToldOnce, secretKeys, toldTwice, toSecret, untold } from './openers.ts'
import { parseEndpoint } from './places.ts'
import { list, parsed, table, tableOf } from './tables.ts'
import * as value from './values.ts'

/** The `[radius]` table: the door for what asks a RADIUS server. */

/** RFC 2865 section 3. */
const RADIUS_PORT = 1812
/** With two tries each of them gets three seconds, and clients rarely wait for more than ten. */
const SERVERS_MAX = 3

const network = parsed(
  parseNetwork,
  'write the address that it asks from, such as "192.0.2.1" or "10.0.0.0/8"',
)

/** An address, since a name can change its mind, or be made to. */
const server = parsed(text => {
  const endpoint = parseEndpoint(text, RADIUS_PORT)
  return endpoint && parseAddress(endpoint.host) ? endpoint : undefined
}, 'write an address and a port, such as "192.0.2.9:1812"')

const SERVERS = `write one to ${SERVERS_MAX} servers, such as ["192.0.2.9:1812"]`
const servers = v.pipe(
  list(server, SERVERS),
  v.minLength(1, SERVERS),
  v.maxLength(SERVERS_MAX, SERVERS),
)

const oneOf = <const T extends readonly string[]>(words: T) =>
  v.picklist(words, `write one of ${words.map(word => `"${word}"`).join(', ')}`)

const SERVICES = 'write a list, such as ["vpn"], or leave it out'

const clientSchema = v.pipe(
  table({
    address: v.optional(network),
    addresses: v.optional(
      v.pipe(value.networks, v.minLength(1, 'write at least one address or network')),
    ),
    ...secretKeys('secret'),
    mode: oneOf(RADIUS_MODES),
    upstream: v.optional(servers),
    ...secretKeys('upstream_secret'),
    services: v.optional(v.pipe(list(value.name, SERVICES), v.minLength(1, SERVICES))),
    ...approvalKeys,
    address_from: v.optional(oneOf(ADDRESSES_FROM), 'calling-station-id'),
    message_authenticator: v.optional(oneOf(['required', 'optional']), 'required'),
  }),
  v.check(
    raw => (raw.address === undefined) !== (raw.addresses === undefined),
    'write where it asks from: either address = "192.0.2.1" or addresses = [ … ]',
  ),
  v.check(raw => isToldOnce(raw, 'secret'), toldTwice('secret')),
  v.check(raw => toSecret(raw, 'secret') !== undefined, untold('secret')),
  v.check(raw => isToldOnce(raw, 'upstream_secret'), toldTwice('upstream_secret')),
  v.check(
    raw => (raw.upstream === undefined) === (toSecret(raw, 'upstream_secret') === undefined),
    'upstream and upstream_secret_file (or upstream_secret_env) go together',
  ),
  v.check(
    raw => raw.mode !== 'password+code' || raw.upstream !== undefined,
    'mode "password+code" needs servers that know the passwords: write upstream = ["192.0.2.9:1812"]',
  ),
  v.check(
    raw => raw.mode !== 'password' || (raw.upstream !== undefined && raw.approval !== undefined),
    'mode "password" needs servers that know the passwords, and somebody who says yes: write upstream = ["192.0.2.9:1812"] and approval = "…", the way in [delivery] to ask',
  ),
  v.check(
    raw => raw.mode !== 'grant' || raw.approval === undefined,
    'in mode "grant" nobody is asked: leave approval out',
  ),
  v.forward(
    v.check(
      raw => raw.approval !== undefined || raw.approval_timeout === undefined,
      NEEDS_APPROVAL,
    ),
    ['approval_timeout'],
  ),
  v.forward(
    v.check(raw => raw.approval !== undefined || raw.approver === undefined, NEEDS_APPROVAL),
    ['approver'],
  ),
  v.check(
    raw => raw.mode !== 'code' || raw.upstream === undefined,
    'in mode "code" no server is asked for a password: leave upstream out, or write mode = "password+code"',
  ),
  v.transform(
    (raw): Omit<RadiusClient, 'name'> => ({
      networks: raw.addresses ?? [raw.address!],
      secret: toSecret(raw, 'secret')!,
      mode: raw.mode,
      upstream: raw.upstream && {
        servers: raw.upstream,
        secret: toSecret(raw, 'upstream_secret')!,
      },
      services: raw.services,
      approval: toApproval(raw),
      addressFrom: raw.address_from,
      messageAuthenticator: raw.message_authenticator,
    }),
  ),
)

const LISTEN = 'write at least one address, such as ["127.0.0.1:1812"]'

export const radiusSchema = v.pipe(
  table({
    listen: v.pipe(value.listens, v.minLength(1, LISTEN)),
    clients: tableOf(isName, NAME_RULE, clientSchema),
  }),
  v.check(
    ({ clients }) => clients.size > 0,
    'nobody may ask, so there is no use in it: write [radius.clients.NAME]',
  ),
  v.transform(
    ({ listen, clients }): RadiusSettings => ({
      listen,
      clients: [...clients].map(([name, client]) => ({ name, ...client })),
    }),
  ),
)
