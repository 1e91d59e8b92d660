import {
  type Address,
  ANY,
  deriveKeys,
  encodeKnock,
  type Factor,
  fail,
  familyOf,
  KEY_BYTES,
  KNOCK_ID_BYTES,
  type Network,
  NO_FACTOR,
  type Result,
  toHex,
  type Verb,
} from '@oneknock/shared'
import type { Clock } from './clock.ts'
import { converse, type Side } from './conversation.ts'
import { type Ask, Exchange } from './exchange.ts'
import { nameRoutes } from './naming.ts'
import type { KnockEvent, KnockResult, NoReply, Unreachable, Unresolved } from './outcome.ts'
import { FALL_BACK_MS, GIVE_UP_MS, PATIENCE_MS } from './timing.ts'
import type { Route, Transport } from './transport.ts'

/** Where to knock, and with what: an invitation is one. */
export interface Target {
  /** A host name, or an address without brackets. */
  readonly host: string
  readonly port: number
  /** The device key, 32 bytes. */
  readonly key: Uint8Array
  /** The server's HTTP door, `https://HOST[:PORT]`: asked when UDP meets silence. */
  readonly http?: string
}

export interface KnockOptions {
  /** Names of services; absent or empty: all that the user may open by default. */
  readonly services?: readonly string[]
  /** The one-time code; absent: none. `parseFactor` makes one from what a person types. */
  readonly factor?: Factor
  /** Seconds to ask for; absent: the service's default. */
  readonly lifetime?: number
  /**
   * What to admit, instead of this machine's own addresses. `::` is what the server sees the packets
   * come from, in either family.
   */
  readonly address?: Network
  /** `close` ends what this device opened. Absent: `open`. */
  readonly verb?: Verb
  /** How long to wait for an approval, milliseconds; absent: two minutes. */
  readonly patience?: number
  readonly signal?: AbortSignal
  /** Hears what happens on the way. */
  readonly on?: (event: KnockEvent) => void
}

/** All that a knock needs of the world. */
export interface World {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
  /** The network by way of an HTTP door; it is rarely needed, so only then looked for. */
  readonly overHttp?: (url: string) => Promise<HttpWay>
}

/** A transport that goes through a door, and where that is. */
export interface HttpWay {
  readonly transport: Transport
  readonly host: string
  readonly port: number
}

/** A resolver that has said nothing by then is as good as one that says no. */
export const RESOLVE_MS = 8_000

/** One knock, whatever it takes: several packets, both families, an approval. Throws nothing. */
export async function knockWith(
  world: World,
  target: Target,
  options: KnockOptions,
): Promise<KnockResult> {
  const on = options.on ?? (() => {})
  const ask = draft(world, options)
  const encoded = encodeKnock({ ...ask, sentAt: 0 })
  if (!encoded.ok) return { status: 'invalid', field: encoded.error.field }
  if (target.key.length !== KEY_BYTES) return { status: 'invalid', field: 'key' }
  if (!isPort(target.port)) return { status: 'invalid', field: 'port' }
  if (options.signal?.aborted) return { status: 'aborted' }

  const knocking = { world, ask, key: target.key, options, on }
  const { http } = target
  const giveUpMs = http === undefined ? GIVE_UP_MS : FALL_BACK_MS
  const way = { transport: world.transport, host: target.host, port: target.port }
  const result = await knockBy(way, knocking, giveUpMs)
  if (http === undefined || !world.overHttp || !isUnanswered(result)) return result
  on({ type: 'falling-back', url: http })
  const again = await knockBy(await world.overHttp(http), knocking, GIVE_UP_MS)
  // Of two ways that led nowhere the first is the one to look into.
  return isUnanswered(again) ? { ...result, http: causeOf(again) } : again
}

/** A knock by one way alone. */
export function knockOver(
  world: World,
  way: HttpWay,
  key: Uint8Array,
  options: KnockOptions,
): Promise<KnockResult> {
  const on = options.on ?? (() => {})
  return knockBy(way, { world, ask: draft(world, options), key, options, on }, GIVE_UP_MS)
}

interface Knocking {
  readonly world: World
  readonly ask: Ask
  readonly key: Uint8Array
  readonly options: KnockOptions
  readonly on: (event: KnockEvent) => void
}

/** The same knock over one transport, in both families. */
async function knockBy(
  { transport, host, port }: HttpWay,
  { world, ask, key, options, on }: Knocking,
  giveUpMs: number,
): Promise<KnockResult> {
  const { patience = PATIENCE_MS, signal } = options
  on({ type: 'resolving', host })
  const resolved = await resolveInTime(transport, world, host, signal)
  if (signal?.aborted) return { status: 'aborted' }
  if (!resolved.ok) return { status: 'unresolved', host, cause: resolved.error }

  const { routes, cause } = await connectAll(transport, resolved.value, port, on)
  if (routes.length === 0) return { status: 'unreachable', servers: resolved.value, cause }
  try {
    const keys = deriveKeys(key)
    const sides = nameRoutes(routes, options.address, transport.onLink).map(
      ({ route, named }): Side => {
        const { server, own } = route
        on({ type: 'route', family: familyOf(server), server, named, ...(own && { own }) })
        return { route, named, exchange: new Exchange(keys, { ...ask, ...named }) }
      },
    )
    return await converse(sides, world, { giveUpMs, patience, signal, on })
  } finally {
    for (const route of routes) route.close()
  }
}

const isUnanswered = (result: KnockResult): result is NoReply | Unreachable | Unresolved =>
  ['no-reply', 'unreachable', 'unresolved'].includes(result.status)

function causeOf(result: NoReply | Unreachable | Unresolved): string {
  if (result.status !== 'no-reply') return result.cause
  return result.portClosed ? 'ECONNREFUSED' : 'no reply'
}

const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= 65535

function draft({ random }: World, options: KnockOptions): Ask {
  const { verb = 'open', factor = NO_FACTOR, lifetime = 0, services = [] } = options
  const { address, prefix } = options.address ?? { address: ANY, prefix: 128 }
  return {
    verb,
    factor,
    lifetime,
    knockId: toHex(random(KNOCK_ID_BYTES)),
    address,
    prefix,
    services,
  }
}

function resolveInTime(
  transport: Transport,
  { clock }: World,
  host: string,
  signal: AbortSignal | undefined,
): Promise<Result<readonly Address[], string>> {
  return new Promise(settle => {
    const end = (answer: Result<readonly Address[], string>) => {
      cancel()
      signal?.removeEventListener('abort', abort)
      settle(answer)
    }
    const abort = () => end(fail('ABORT_ERR'))
    const cancel = clock.after(RESOLVE_MS, () => end(fail('ETIMEDOUT')))
    signal?.addEventListener('abort', abort)
    transport.resolve(host).then(end)
  })
}

/** The system's first address of each family; the ways that there are, or the last reason why none. */
async function connectAll(
  transport: Transport,
  addresses: readonly Address[],
  port: number,
  on: (event: KnockEvent) => void,
): Promise<{ readonly routes: readonly Route[]; readonly cause: string }> {
  const servers = addresses.filter(
    (address, i) => addresses.findIndex(other => familyOf(other) === familyOf(address)) === i,
  )
  const routes: Route[] = []
  let cause = ''
  for (const server of servers) {
    const connected = await transport.connect(server, port)
    if (connected.ok) {
      routes.push(connected.value)
      continue
    }
    cause = connected.error
    on({ type: 'trouble', family: familyOf(server), server, cause })
  }
  return { routes, cause }
}
