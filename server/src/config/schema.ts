import { DEFAULT_PORT, wirePrefix } from '@oneknock/shared'
import * as v from 'valibot'
import type { GateSettings, Service } from '../core/directory.ts'
import { approvalKeys, NEEDS_APPROVAL, toApproval } from './approval.ts'
import { BACKENDS, DEFAULT_HELPER_SOCKET, DEFAULT_STATE_FOLDER } from './defaults.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { execSchema } from './exec.ts'
import { forwardKeys, permitKeys, routerSchema, toForward, toPermit } from './openers.ts'
import { parseEndpoint } from './places.ts'
import { parsed, table } from './tables.ts'
import { isTable } from './toml.ts'
import * as value from './values.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const DAY = 24 * 60 * MINUTE

/** Node's timers and ipset's timeouts both end at 2^31 milliseconds, between the 24th and 25th day. */
const LIFETIME_MAX = 24 * DAY
/** Below this the network's own delays and a phone's clock already refuse good knocks. */
const FRESHNESS_MIN = 5 * SECOND
/** The hint table holds every minute of the window twice over, for each device. */
const FRESHNESS_MAX = 10 * MINUTE
/** Wider than these is not one person's network, whatever their phone does. */
const WIDEST_PREFIX = { ipv4: 16, ipv6: 32 } as const

const endpointOfClients = parsed(
  text => parseEndpoint(text, DEFAULT_PORT),
  'write the host and port that clients send their packets to, such as "gate.example.com:62201"',
)

/** Everything but the tables below it, which are read one by one so that each says its errors. */
export const rootSchema = table({
  listen: v.pipe(
    v.optional(value.listens, [`[::]:${DEFAULT_PORT}`]),
    v.minLength(1, `write at least one address, such as ["[::]:${DEFAULT_PORT}"]`),
  ),
  public: endpointOfClients,
  state: v.pipe(
    v.optional(v.string('write the path of a folder'), DEFAULT_STATE_FOLDER),
    v.check(path => path !== '' && !path.includes('\0'), 'write the path of a folder'),
  ),
  name: v.optional(value.name),
  freshness: v.optional(value.duration(FRESHNESS_MIN, FRESHNESS_MAX), '120s'),
  firewall: v.unknown(),
  admin: v.unknown(),
  metrics: v.unknown(),
  helper: v.unknown(),
  http: v.unknown(),
  radius: v.unknown(),
  delivery: v.unknown(),
  services: v.unknown(),
  yubikey: v.unknown(),
})

export const adminSchema = table({ group: v.optional(value.group) })

export const metricsSchema = table({ listen: v.optional(value.loopback) })

export const helperSchema = table({ socket: v.optional(value.path, DEFAULT_HELPER_SOCKET) })

/** Shorter, and a slow restart would open the doors; longer, and nobody waits for it. */
const IF_DEAD_MIN = MINUTE
const IF_DEAD_MAX = 7 * DAY
const IF_DEAD_RULE = `write "closed", or "open after 6h" with a duration from "${formatDuration(IF_DEAD_MIN)}" to "${formatDuration(IF_DEAD_MAX)}"`

/** Milliseconds; never for "closed". */
const ifDead = parsed(text => {
  if (text === 'closed') return { after: undefined }
  const after = parseDuration(/^open after (\S+)$/.exec(text)?.[1] ?? '')
  const isRight = after !== undefined && after >= IF_DEAD_MIN && after <= IF_DEAD_MAX
  return isRight ? { after } : undefined
}, IF_DEAD_RULE)

export const firewallSchema = v.pipe(
  table({
    backend: v.optional(v.picklist(BACKENDS, `write one of ${BACKENDS.join(', ')}`), 'none'),
    allow: v.optional(value.networks, []),
    if_dead: v.optional(ifDead, 'closed'),
  }),
  v.check(
    ({ backend, if_dead }) => backend === 'nftables' || if_dead?.after === undefined,
    'if_dead = "open after …" needs backend = "nftables"; leave if_dead out',
  ),
  v.transform(({ backend, allow, if_dead }) => ({ backend, allow, ifDead: if_dead.after })),
)

const gateSchema = v.pipe(
  table({
    listen: value.listen,
    forward: value.endpoint,
    proxy_protocol: v.optional(v.literal(2, 'write 2, the only version there is, or leave it out')),
  }),
  v.transform(
    (raw): GateSettings => ({
      listen: raw.listen,
      forward: raw.forward,
      proxyProtocol: raw.proxy_protocol !== undefined,
    }),
  ),
)

export const lifetime = value.duration(SECOND, LIFETIME_MAX)

/** Slower would be felt by nobody, faster is no growth but a leap. */
const GROWTH = { least: 1.01, most: 10 } as const
const GROWTH_RULE = `write by how much it grows each time, from ${GROWTH.least} to ${GROWTH.most}`

const fixedLifetime = v.pipe(
  lifetime,
  v.transform(ms => ({ base: ms, grows: undefined, cap: undefined })),
)

const growingLifetime = table({
  base: lifetime,
  grows: v.pipe(
    v.number(GROWTH_RULE),
    v.minValue(GROWTH.least, GROWTH_RULE),
    v.maxValue(GROWTH.most, GROWTH_RULE),
  ),
  cap: lifetime,
})

/** A duration, or one that grows from `base` to `cap` the more an address is used. */
const lifetimes = v.lazy(input => (isTable(input) ? growingLifetime : fixedLifetime))

export const serviceSchema = v.pipe(
  table({
    ports: v.optional(value.ports, []),
    lifetime: v.optional(lifetimes, '30s'),
    max_lifetime: v.optional(lifetime),
    max_prefix: v.optional(
      table({
        ipv4: v.optional(value.prefix(WIDEST_PREFIX.ipv4, 32), 32),
        ipv6: v.optional(value.prefix(WIDEST_PREFIX.ipv6, 128), 128),
      }),
      {},
    ),
    factor: v.optional(v.picklist(['required', 'none'], 'write "required" or "none"'), 'required'),
    require_address: v.optional(value.flag, false),
    behind_proxy: v.optional(value.flag, false),
    on_expiry: v.optional(v.picklist(['keep', 'cut'], 'write "keep" or "cut"'), 'keep'),
    schedule: v.optional(value.schedule),
    networks: v.optional(value.networks),
    test_only: v.optional(value.flag),
    ...approvalKeys,
    destination: v.optional(value.networks, []),
    ...forwardKeys,
    gate: v.optional(gateSchema),
    exec: v.optional(execSchema),
    routeros: v.optional(routerSchema),
    ...permitKeys,
  }),
  v.forward(
    v.check(
      ({ forward, masquerade }) => forward !== undefined || masquerade === undefined,
      'belongs to a forward, but there is none: write forward = "10.0.0.5:22" too',
    ),
    ['masquerade'],
  ),
  v.forward(
    v.check(
      ({ permit, account }) => permit === undefined || account !== undefined,
      'says where to, but not for whom: write account = "…" too, the account that forwards log in to',
    ),
    ['permit'],
  ),
  v.forward(
    v.check(
      ({ permit, account }) => permit !== undefined || account === undefined,
      'belongs to a permit, but there is none: write permit = ["mail.internal:993"] too',
    ),
    ['account'],
  ),
  v.forward(
    v.check(
      ({ permit, authorized_keys }) => permit !== undefined || authorized_keys === undefined,
      'belongs to a permit, but there is none: write permit = ["mail.internal:993"] too',
    ),
    ['authorized_keys'],
  ),
  v.forward(
    v.check(
      ({ lifetime, max_lifetime }) => lifetime.cap === undefined || max_lifetime === undefined,
      'lifetime.cap says it already; leave this out',
    ),
    ['max_lifetime'],
  ),
  v.forward(
    v.check(raw => raw.approver === undefined || raw.approval !== undefined, NEEDS_APPROVAL),
    ['approver'],
  ),
  v.forward(
    v.check(
      raw => raw.approval_timeout === undefined || raw.approval !== undefined,
      NEEDS_APPROVAL,
    ),
    ['approval_timeout'],
  ),
  v.transform(
    (raw): Omit<Service, 'name'> => ({
      ports: raw.ports,
      lifetime: raw.lifetime.base / SECOND,
      maxLifetime: (raw.lifetime.cap ?? raw.max_lifetime ?? raw.lifetime.base) / SECOND,
      grows: raw.lifetime.grows,
      maxPrefix: {
        ipv4: wirePrefix(4, raw.max_prefix.ipv4),
        ipv6: wirePrefix(6, raw.max_prefix.ipv6),
      },
      factor: raw.factor,
      requireAddress: raw.require_address,
      behindProxy: raw.behind_proxy,
      onExpiry: raw.on_expiry,
      schedule: raw.schedule,
      networks: raw.networks,
      testOnly: raw.test_only,
      approval: toApproval(raw),
      destination: raw.destination,
      forward: toForward(raw),
      gate: raw.gate,
      exec: raw.exec,
      permit: toPermit(raw),
      routeros: raw.routeros,
    }),
  ),
)
