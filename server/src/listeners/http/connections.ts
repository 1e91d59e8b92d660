import type { Socket } from 'node:net'
import type { Address } from '@oneknock/shared'
import { siteOf } from './budget.ts'
import {
  ANSWER_MS,
  CLOSING_MS,
  CONNECTION_MS,
  CONNECTIONS_MAX,
  CONNECTIONS_PER_SOURCE,
} from './limits.ts'

type Phase = 'asking' | 'answering' | 'closing'

const LIMITS: Readonly<Record<Phase, number>> = {
  asking: CONNECTION_MS,
  answering: ANSWER_MS,
  closing: CLOSING_MS,
}

/** One connection, from being accepted to its end; whatever it does, it ends in time. */
export class Connection {
  readonly socket: Socket
  readonly peer: Address
  readonly site: string
  phase: Phase = 'asking'
  #limit: NodeJS.Timeout | undefined

  constructor(socket: Socket, peer: Address) {
    this.socket = socket
    this.peer = peer
    this.site = siteOf(peer)
    this.enter('asking')
  }

  enter(phase: Phase, ms = LIMITS[phase]): void {
    clearTimeout(this.#limit)
    this.phase = phase
    if (!this.socket.destroyed) this.#limit = setTimeout(() => this.socket.destroy(), ms)
  }

  forget(): void {
    clearTimeout(this.#limit)
  }
}

/**
 * All that are there. A newcomer is never turned away for those who only sit there: whoever has been
 * asking for longest makes room, and programs and people with a code are quick.
 */
export class Connections {
  readonly #sites = new Map<string, Set<Connection>>()
  /** In the order in which they came. */
  readonly #all = new Set<Connection>()
  readonly #dropped: () => void

  /** `dropped` hears of each that had to make room, or found none. */
  constructor(dropped: () => void) {
    this.#dropped = dropped
  }

  get size(): number {
    return this.#all.size
  }

  /** `undefined` if there is no room, and then the socket is closed. A proxy brings many. */
  admit(socket: Socket, peer: Address, isProxy: boolean): Connection | undefined {
    const connection = new Connection(socket, peer)
    const site = this.#sites.get(connection.site) ?? new Set()
    const isFull = !isProxy && site.size >= CONNECTIONS_PER_SOURCE && !this.#makeRoom(site)
    if (isFull || (this.#all.size >= CONNECTIONS_MAX && !this.#makeRoom(this.#all))) {
      connection.forget()
      this.#dropped()
      socket.destroy()
      return undefined
    }
    this.#all.add(connection)
    this.#sites.set(connection.site, site.add(connection))
    socket.once('close', () => this.#remove(connection))
    return connection
  }

  end(): void {
    for (const { socket } of this.#all) socket.destroy()
  }

  #makeRoom(among: Iterable<Connection>): boolean {
    for (const connection of among) {
      if (connection.phase === 'answering') continue
      this.#remove(connection)
      this.#dropped()
      connection.socket.destroy()
      return true
    }
    return false
  }

  #remove(connection: Connection): void {
    connection.forget()
    this.#all.delete(connection)
    const site = this.#sites.get(connection.site)
    site?.delete(connection)
    if (site?.size === 0) this.#sites.delete(connection.site)
  }
}
