import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContext } from 'node:tls'
import type { Address } from '@oneknock/shared'
import type { Clock } from '../core/clock.ts'
import type { Endpoint } from '../core/directory.ts'
import type { HttpSettings } from '../core/http.ts'
import { type AskParts, ask } from './http/asking.ts'
import { lookAtFirst } from './http/blind.ts'
import { Budget } from './http/budget.ts'
import type { Claim } from './http/code.ts'
import { type Connection, Connections } from './http/connections.ts'
import { doorRoutes } from './http/door.ts'
import { Handshakes, secured } from './http/handshakes.ts'
import { HEADER_BYTES, REQUEST_MS, REQUESTS_PER_CONNECTION } from './http/limits.ts'
import { packetRoute } from './http/packet.ts'
import { bindAll, type PlaceNote } from './http/places.ts'
import { serve } from './http/requests.ts'
import type { Route } from './http/route.ts'
import { isTrusted, originOf, peerAddress } from './http/source.ts'
import { Waiting } from './http/waiting.ts'
import { BUSY, CLOSED, inOneLine, type Told, tell, UNSAID } from './http/words.ts'
import type { Judge, Listener } from './listener.ts'

export type { Route, WebAnswer, WebRequest } from './http/route.ts'

export type HttpNote = PlaceNote | { readonly note: 'http-failed'; readonly message: string }

/** What can be counted here beside what knocks come to. */
export type HttpCounted = 'connection' | 'dropped' | 'busy' | 'no-code'

/** The settings, and what is in the files that they name. */
export interface HttpPlan {
  readonly settings: HttpSettings
  readonly secure: SecureContext | undefined
  /** What each client of the validation protocol signs with, by its number. */
  readonly clientKeys: ReadonlyMap<string, Uint8Array>
}

export interface HttpOptions {
  readonly clock: Clock
  /** Waits that many milliseconds. */
  readonly pause: (ms: number) => Promise<void>
  readonly random: (bytes: number) => Uint8Array
  /** The user of the token that types this public id. */
  readonly ownerOf: (publicId: string) => string | undefined
  /** What else is answered here, before the door's own pages. */
  readonly routes: readonly Route[]
  readonly report: (note: HttpNote) => void
  readonly count: (what: HttpCounted) => void
}

export interface HttpListener extends Listener {
  /**
   * Listens as the plan says, for connections to come; those in progress go on. `alsoAt` is where the
   * next plan will, once a reload is whole. If anything fails all stays.
   */
  configure(plan: HttpPlan | undefined, alsoAt?: readonly Endpoint[]): Promise<void>
  readonly plan: HttpPlan | undefined
  readonly connections: number
}

/** The door for those who cannot send our packet: HTTP, or a code typed blind, on the same port. */
export function httpListener(options: HttpOptions): HttpListener {
  const { clock, pause, random, ownerOf, report, count } = options
  const servers = new Map<string, Server>()
  const connections = new Connections(() => count('dropped'))
  const connectionOf = new WeakMap<Duplex, Connection>()
  let plan: HttpPlan | undefined
  let knock: Judge | undefined
  /** A door that a reload took away asks nobody, though somebody may stand in it still. */
  const judge = () => (plan ? knock : undefined)

  const askParts: AskParts = {
    judge,
    clock,
    pause,
    budget: new Budget(),
    ownerOf,
    services: () => plan?.settings.services,
    busy: () => count('busy'),
  }
  const routes: readonly Route[] = [
    packetRoute(judge),
    ...options.routes,
    ...doorRoutes({
      ...askParts,
      waiting: new Waiting(clock, random),
      base: () => basePath(plan?.settings.public),
    }),
  ]
  const trusted = () => plan?.settings.trustedProxies ?? []
  const handshakes = new Handshakes()
  const http = httpServer()

  function httpServer(): HttpServer {
    const server = createHttpServer({ maxHeaderSize: HEADER_BYTES }, (message, response) => {
      const connection = connectionOf.get(message.socket)
      if (!connection) return void message.socket.destroy()
      response.once('close', () => connection.enter('closing'))
      void serve(message, response, connection.peer, {
        routes,
        trusted: trusted(),
        received: () => connection.enter('answering'),
        failed: ({ message }) => report({ note: 'http-failed', message }),
      })
    })
    server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION
    return server
  }

  function accept(socket: Socket): void {
    socket.on('error', () => {})
    const peer = peerAddress(socket.remoteAddress)
    if (!peer) return void socket.destroy()
    count('connection')
    const isProxy = isTrusted(peer, trusted())
    const connection = connections.admit(socket, peer, isProxy)
    if (!connection) return
    if (!plan?.secure) return void look(socket, connection)
    const mayBegin = () => {
      const may = handshakes.mayBegin(peer, isProxy, clock.monotonic())
      if (!may) count('dropped')
      return may
    }
    secured(socket, plan.secure, mayBegin, stream => look(stream, connection))
  }

  function look(stream: Duplex, connection: Connection): void {
    connectionOf.set(stream, connection)
    lookAtFirst(stream, what => {
      switch (what.kind) {
        case 'http':
          connection.enter('asking', REQUEST_MS)
          stream.unshift(what.first)
          http.emit('connection', stream)
          // What was given back is heard when the parser is in place.
          process.nextTick(() => stream.resume())
          break
        case 'claim':
          void answerBlind(stream, connection, what.claim)
          break
        case 'nothing':
          count('no-code')
          stream.destroy()
      }
    })
  }

  async function answerBlind(stream: Duplex, connection: Connection, claim: Claim): Promise<void> {
    connection.enter('answering')
    const told = await tryBlind(connection.peer, claim)
    if (stream.destroyed || !knock) return
    connection.enter('closing')
    stream.end(`${inOneLine(told)}\n`)
  }

  /** Nothing that a proxy says comes along, and whoever types blind can wait for somebody's yes. */
  async function tryBlind(peer: Address, claim: Claim): Promise<Told> {
    const origin = originOf(peer, trusted(), () => '')
    if (origin.kind !== 'known') return UNSAID
    const answer = await ask(claim, origin.address, askParts)
    if (typeof answer === 'string') return answer === 'busy' ? BUSY : CLOSED
    return tell((await answer.settled) ?? answer.outcome, clock.now())
  }

  async function listen(endpoints: readonly Endpoint[]): Promise<void> {
    await bindAll(servers, endpoints, accept, report)
  }

  return {
    name: 'http',
    get plan() {
      return plan
    },
    get connections() {
      return connections.size
    },
    async start(judge) {
      knock = judge
      await listen(plan?.settings.listen ?? [])
    },
    async stop() {
      knock = undefined
      await listen([])
      connections.end()
    },
    async configure(next, alsoAt = []) {
      if (knock) await listen([...(next?.settings.listen ?? []), ...alsoAt])
      plan = next
    },
  }
}

const basePath = (address: string | undefined): string =>
  address === undefined ? '/' : `${new URL(address).pathname.replace(/\/$/, '')}/`
