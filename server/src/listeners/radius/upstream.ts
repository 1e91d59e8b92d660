import { createSocket, type Socket } from 'node:dgram'
import type { Endpoint } from '../../core/directory.ts'
import {
  type Attribute,
  AUTHENTICATOR_BYTES,
  CODE,
  decodePacket,
  IDENTIFIERS,
  type RadiusPacket,
} from './packet.ts'
import { answersRequest, checkSignature, signRequest } from './signing.ts'

/** How patient it is with each server; the sum over all must be less than the asking client's patience. */
export interface UpstreamTiming {
  /** Milliseconds from one packet to the next, and from the last to the next server. */
  readonly retransmitMs: number
  /** Packets to one server. */
  readonly tries: number
  /** Milliseconds for which a server that did not answer is asked only after the others. */
  readonly deadMs: number
}

/**
 * FreeRADIUS holds a Reject back for a second. Twice that for each of two servers is less than the
 * ten seconds that clients usually wait.
 */
export const UPSTREAM_TIMING: UpstreamTiming = { retransmitMs: 1_500, tries: 2, deadMs: 30_000 }

export type UpstreamNote =
  | { readonly note: 'upstream-silent'; readonly server: Endpoint }
  | { readonly note: 'upstream-back'; readonly server: Endpoint }
  /** Its answers bear no Message-Authenticator, and so count for nothing. */
  | { readonly note: 'upstream-unsigned'; readonly server: Endpoint }

export interface UpstreamParts {
  readonly servers: readonly Endpoint[]
  readonly secret: Uint8Array
  readonly timing: UpstreamTiming
  readonly random: (bytes: number) => Uint8Array
  readonly monotonic: () => number
  readonly report: (note: UpstreamNote) => void
}

/** What to ask, made for the authenticator that hides its password. */
export type Question = (authenticator: Uint8Array) => readonly Attribute[]

/** RADIUS servers that know the passwords: the first one that answers decides. */
export class Upstream {
  readonly #servers: readonly Server[]
  readonly #parts: UpstreamParts

  constructor(parts: UpstreamParts) {
    this.#parts = parts
    this.#servers = parts.servers.map(endpoint => new Server(endpoint, parts))
  }

  /** `undefined` if none has answered. */
  async ask(question: Question): Promise<RadiusPacket | undefined> {
    const now = this.#parts.monotonic()
    const living = this.#servers.filter(server => server.deadUntil <= now)
    const dead = this.#servers.filter(server => server.deadUntil > now)
    for (const server of [...living, ...dead]) {
      const answer = await server.ask(question)
      if (answer) return answer
    }
    return undefined
  }

  /** Nobody asks any more; who has asked already still hears. */
  retire(): void {
    for (const server of this.#servers) server.retire()
  }

  /** Who has asked hears nothing more either. */
  close(): void {
    for (const server of this.#servers) server.close()
  }
}

interface Waiting {
  readonly authenticator: Uint8Array
  readonly settle: (answer: RadiusPacket | undefined) => void
}

/** One of them, with a socket of its own: the kernel drops what comes from anywhere else. */
class Server {
  deadUntil = Number.NEGATIVE_INFINITY
  readonly #endpoint: Endpoint
  readonly #parts: UpstreamParts
  readonly #waiting = new Map<number, Waiting>()
  #socket: Promise<Socket> | undefined
  #nextIdentifier = 0
  #unsignedSaid = false
  #retired = false

  constructor(endpoint: Endpoint, parts: UpstreamParts) {
    this.#endpoint = endpoint
    this.#parts = parts
  }

  async ask(question: Question): Promise<RadiusPacket | undefined> {
    const identifier = this.#freeIdentifier()
    if (identifier === undefined) return undefined
    const authenticator = this.#parts.random(AUTHENTICATOR_BYTES)
    const attributes = question(authenticator)
    const request = { code: CODE.accessRequest, identifier, authenticator, attributes }
    const bytes = signRequest(request, this.#parts.secret)
    if (!bytes) return undefined
    const { tries, retransmitMs } = this.#parts.timing
    const answer = await new Promise<RadiusPacket | undefined>(resolve => {
      let sent = 0
      let timer: NodeJS.Timeout | undefined
      const settle = (answer: RadiusPacket | undefined) => {
        clearTimeout(timer)
        this.#waiting.delete(identifier)
        if (this.#retired) this.retire()
        resolve(answer)
      }
      const send = () => {
        if (sent++ === tries) return settle(undefined)
        timer = setTimeout(send, retransmitMs)
        this.#send(bytes).catch(() => settle(undefined))
      }
      this.#waiting.set(identifier, { authenticator, settle })
      send()
    })
    this.#keepState(answer !== undefined)
    return answer
  }

  retire(): void {
    this.#retired = true
    if (this.#waiting.size === 0) this.#forgetSocket()
  }

  close(): void {
    this.#retired = true
    this.#giveUp()
  }

  #freeIdentifier(): number | undefined {
    for (let tried = 0; tried < IDENTIFIERS; tried++) {
      const identifier = this.#nextIdentifier
      this.#nextIdentifier = (identifier + 1) % IDENTIFIERS
      if (!this.#waiting.has(identifier)) return identifier
    }
    return undefined
  }

  async #send(bytes: Uint8Array): Promise<void> {
    this.#socket ??= this.#connect()
    const socket = await this.#socket
    socket.send(bytes)
  }

  #connect(): Promise<Socket> {
    const { host, port } = this.#endpoint
    return new Promise((resolve, reject) => {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
      // Nobody listens there, or no route leads there: no use in waiting.
      socket.on('error', error => {
        reject(error)
        this.#giveUp()
      })
      socket.on('message', datagram => this.#hear(datagram))
      socket.once('close', () => reject(new Error('closed')))
      socket.connect(port, host, () => resolve(socket))
    })
  }

  #giveUp(): void {
    for (const { settle } of [...this.#waiting.values()]) settle(undefined)
    this.#forgetSocket()
  }

  #forgetSocket(): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.then(
      one => one.close(),
      () => {},
    )
  }

  /** An answer that is not beyond doubt leaves the question open: the right one may still come. */
  #hear(datagram: Uint8Array): void {
    const decoded = decodePacket(datagram)
    const waiting = decoded.ok ? this.#waiting.get(decoded.value.identifier) : undefined
    if (!decoded.ok || !waiting) return
    const answer = decoded.value
    const { secret, report } = this.#parts
    if (!ANSWERS.has(answer.code)) return
    if (!answersRequest(answer, waiting.authenticator, secret)) return
    const signature = checkSignature(answer, waiting.authenticator, secret)
    if (signature === 'valid') waiting.settle(answer)
    if (signature !== 'absent' || this.#unsignedSaid) return
    this.#unsignedSaid = true
    report({ note: 'upstream-unsigned', server: this.#endpoint })
  }

  #keepState(answered: boolean): void {
    if (this.#retired) return
    const { monotonic, timing, report } = this.#parts
    const wasDead = this.deadUntil > Number.NEGATIVE_INFINITY
    this.deadUntil = answered ? Number.NEGATIVE_INFINITY : monotonic() + timing.deadMs
    if (answered && wasDead) report({ note: 'upstream-back', server: this.#endpoint })
    if (answered || wasDead) return
    report({ note: 'upstream-silent', server: this.#endpoint })
  }
}

const ANSWERS: ReadonlySet<number> = new Set([
  CODE.accessAccept,
  CODE.accessReject,
  CODE.accessChallenge,
])
