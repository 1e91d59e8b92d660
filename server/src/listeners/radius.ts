import { isDeepStrictEqual } from 'node:util'
import { type Address, contains, type Network, parseAddress, toHex } from '@oneknock/shared'
import type { Clock } from '../core/clock.ts'
import type { Endpoint } from '../core/directory.ts'
import type { RadiusClient } from '../core/radius.ts'
import type { Judge, Listener } from './listener.ts'
import { type Beyond, type Decision, decide, type ReadyClient } from './radius/decide.ts'
import { ATTRIBUTE, CODE, textAttribute } from './radius/packet.ts'
import { proxyStates } from './radius/proxying.ts'
import { Recent } from './radius/recent.ts'
import { type Dropped, type RadiusRequest, readRequest } from './radius/request.ts'
import { signAnswer } from './radius/signing.ts'
import {
  UPSTREAM_TIMING,
  Upstream,
  type UpstreamNote,
  type UpstreamTiming,
} from './radius/upstream.ts'
import { type Receive, type SocketsOptions, sendTo, type UdpNote, udpSockets } from './sockets.ts'

/**
 * A Reject leaves a multiple of it after its request, in milliseconds. All take the same time,
 * whoever asked and whatever was wrong: longer than FreeRADIUS holds a Reject of its own back (a
 * second), so that a wrong password there cannot be told from a wrong code here. A multiple, so that
 * neither can it where a silent server had to be waited for first.
 */
export const REJECT_AFTER_MS = 1_500

export type RadiusNote = UdpNote | UpstreamNote

/** What becomes of requests. */
export type RadiusCount =
  | Dropped
  | 'unknown-client'
  /** Too many of this client wait. */
  | 'busy'
  | 'again'
  | 'status'
  | 'accepted'
  | 'rejected'
  /** No upstream server could say, or the answer fits into no packet. */
  | 'unanswered'

/** The settings, with the secrets that they name. */
export interface RadiusPlan {
  readonly listen: readonly Endpoint[]
  readonly clients: readonly PlannedClient[]
}

export interface PlannedClient extends RadiusClient {
  readonly secretBytes: Uint8Array
  readonly upstreamSecretBytes: Uint8Array | undefined
}

export interface RadiusOptions extends Pick<SocketsOptions, 'ownAddresses'>, Omit<Beyond, 'judge'> {
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
  readonly pause: (ms: number) => Promise<unknown>
  readonly report: (note: RadiusNote) => void
  readonly count: (what: RadiusCount) => void
  readonly upstreamTiming?: UpstreamTiming
}

export interface RadiusListener extends Listener {
  readonly plan: RadiusPlan | undefined
  /** These clients from now on, at these places and the others; if it fails, all is as before. */
  configure(plan: RadiusPlan | undefined, also?: readonly Endpoint[]): Promise<void>
}

interface Client extends ReadyClient, PlannedClient {
  readonly recent: Recent
}

/** Routers, VPN concentrators and PAM modules ask; an Accept or a Reject is the answer (RFC 2865). */
export function radiusListener(options: RadiusOptions): RadiusListener {
  const { clock, ownAddresses, pause, report, count } = options
  const sockets = udpSockets({ endpoints: [], ownAddresses, report, key: 'radius.listen' })
  let plan: RadiusPlan | undefined
  let clients: readonly Client[] = []

  const receive =
    (judge: Judge): Receive =>
    (datagram, { address, port }, socket) => {
      const source = parseAddress(address.replace(/%.*$/, ''))
      const client = source && clientAt(clients, source)
      if (!client) return count('unknown-client')
      const read = readRequest(datagram, { ...client, secret: client.secretBytes })
      if (!read.ok) return count(read.error)
      const request = read.value
      const { code, identifier } = request.packet
      const answer = (bytes: Uint8Array) => sendTo(socket, bytes, port, address)
      if (code === CODE.statusServer) {
        count('status')
        return answer(encode({ accept: true, words: '', attributes: [] }, request, client)!)
      }
      const [from, authenticator] = [`${source} ${port} ${identifier}`, authenticatorOf(request)]
      const known = client.recent.find(from, authenticator, clock.monotonic())
      if (known) {
        count('again')
        if (known.answer) answer(known.answer)
        return
      }
      if (!client.recent.begin(from, authenticator, clock.monotonic())) return count('busy')
      void judged(request, client, source, judge).then(bytes => {
        client.recent.finish(from, authenticator, bytes, clock.monotonic())
        if (bytes) answer(bytes)
      })
    }

  /** The answer's bytes, when it is time; `undefined` if there is none. */
  async function judged(
    request: RadiusRequest,
    client: Client,
    source: Address,
    judge: Judge,
  ): Promise<Uint8Array | undefined> {
    const began = clock.monotonic()
    const decision = await decide(request, client, source, { ...options, judge })
    client.recent.judged()
    if (decision && !decision.accept) {
      const ms = REJECT_AFTER_MS - ((clock.monotonic() - began) % REJECT_AFTER_MS)
      if (!(await client.recent.hold(() => pause(ms)))) return void count('busy')
    }
    const bytes = decision && encode(decision, request, client)
    if (!bytes) count('unanswered')
    else count(decision.accept ? 'accepted' : 'rejected')
    return bytes
  }

  /** A client that stays keeps what is known of its requests, and of its servers. */
  function ready(planned: PlannedClient): Client {
    const before = clients.find(({ name }) => name === planned.name)
    const same = before && sameSecrets(before, planned)
    return {
      ...planned,
      recent: same ? before.recent : new Recent(),
      ask: same && isDeepStrictEqual(before.upstream, planned.upstream) ? before.ask : ask(planned),
    }
  }

  function ask({ upstream, upstreamSecretBytes: secret }: PlannedClient): ReadyClient['ask'] {
    if (!upstream || !secret) return undefined
    const { random } = options
    const timing = options.upstreamTiming ?? UPSTREAM_TIMING
    const { servers } = upstream
    const monotonic = () => clock.monotonic()
    return {
      upstream: new Upstream({ servers, secret, timing, random, monotonic, report }),
      secret,
    }
  }

  return {
    name: 'radius',
    get plan() {
      return plan
    },
    start: judge => sockets.start(receive(judge)),
    async configure(next, also = []) {
      await sockets.listen([...(next?.listen ?? []), ...also])
      plan = next
      const before = clients
      clients = (next?.clients ?? []).map(ready)
      for (const { ask } of before) {
        if (!clients.some(client => client.ask === ask)) ask?.upstream.retire()
      }
    },
    async stop() {
      await sockets.stop()
      for (const { ask } of clients) ask?.upstream.close()
    },
  }
}

/** The one with the longest prefix that holds the address. */
function clientAt(clients: readonly Client[], address: Address): Client | undefined {
  let [found, prefix] = [undefined as Client | undefined, -1]
  for (const client of clients) {
    const longest = Math.max(...client.networks.map(network => prefixIf(network, address)))
    if (longest > prefix) [found, prefix] = [client, longest]
  }
  return found
}

const prefixIf = (network: Network, address: Address): number =>
  contains(network, address) ? network.prefix : -1

const authenticatorOf = ({ packet }: RadiusRequest): string => toHex(packet.authenticator)

const sameSecrets = (a: PlannedClient, b: PlannedClient): boolean =>
  isDeepStrictEqual([a.secretBytes, a.upstreamSecretBytes], [b.secretBytes, b.upstreamSecretBytes])

/** Without its words if they are what does not fit; `undefined` if the rest does not. */
function encode(
  { accept, words, attributes }: Decision,
  { packet }: RadiusRequest,
  { secretBytes }: Client,
): Uint8Array | undefined {
  const { identifier, authenticator } = packet
  const code = accept ? CODE.accessAccept : CODE.accessReject
  const needed = [...proxyStates(packet), ...attributes]
  const seal = (all: typeof needed) =>
    signAnswer({ code, identifier, attributes: all }, authenticator, secretBytes)
  const said = words && seal([...needed, textAttribute(ATTRIBUTE.replyMessage, words)])
  return said || seal(needed)
}
