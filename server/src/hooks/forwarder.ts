import { connect, createServer, type Server, type Socket } from 'node:net'
import { type Address, parseAddress } from '@oneknock/shared'
import type { Endpoint, GateSettings } from '../core/directory.ts'
import { proxyHeader } from './proxy-protocol.ts'

/** What one service's gate bears at once. */
export interface GateLimits {
  /** Two descriptors each, and far below the 524,288 that systemd lets a unit have. */
  readonly connections: number
  /** Many people share one address behind a carrier's NAT, but none of them may take the whole gate. */
  readonly perSource: number
  /** Milliseconds that the service may take to accept; people give up soon after. */
  readonly connectTimeout: number
}

export const GATE_LIMITS: GateLimits = {
  connections: 1_024,
  perSource: 256,
  connectTimeout: 5_000,
}

/** Milliseconds of silence before a dead peer is looked for, so that it does not hold a place for ever. */
const KEEP_ALIVE_AFTER = 60_000

const NOTHING = new Uint8Array(0)

/** Peers are to see what happens at once, and to keep sending after the other side has finished. */
const SOCKET_OPTIONS = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_AFTER,
} as const

export interface ForwarderParts {
  readonly settings: GateSettings
  readonly limits: GateLimits
  readonly admits: (source: Address) => boolean
  /** Told what keeps admitted people out. May be called often. */
  readonly onTrouble: (line: string) => void
}

interface Connection {
  readonly client: Socket
  readonly backend: Socket
}

/** Takes connections from admitted addresses to one service, and hangs up on all others. */
export class Forwarder {
  readonly #parts: ForwarderParts
  readonly #server: Server
  readonly #bySource = new Map<Address, Set<Connection>>()
  #connections = 0

  constructor(parts: ForwarderParts) {
    this.#parts = parts
    this.#server = createServer({ ...SOCKET_OPTIONS, pauseOnConnect: true }, client =>
      this.#accept(client),
    )
  }

  /** Rejects with the socket's own error. */
  listen(): Promise<void> {
    const { host, port } = this.#parts.settings.listen
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject)
        // After this it is a failed accept: descriptors have run out. The listener itself lives on.
        this.#server.on('error', error =>
          this.#parts.onTrouble(`accepting failed: ${error.message}`),
        )
        resolve()
      })
    })
  }

  /** Where it listens: the port is the system's choice if the settings say 0. */
  endpoint(): Endpoint | undefined {
    const bound = this.#server.address()
    return bound && typeof bound === 'object'
      ? { host: bound.address, port: bound.port }
      : undefined
  }

  /** Resets the connections of every source that this is true of. */
  drop(ends: (source: Address) => boolean): void {
    for (const [source, connections] of this.#bySource) {
      if (ends(source)) for (const connection of connections) reset(connection)
    }
  }

  /** Takes no more connections until it listens again; those that are there go on. */
  pause(): void {
    this.#server.close()
    this.#server.removeAllListeners('error')
  }

  async close(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.drop(() => true)
    await closed
    this.#server.removeAllListeners('error')
  }

  #accept(client: Socket): void {
    // Whatever goes wrong ends in 'close'; an unheard 'error' would end the daemon.
    client.on('error', () => {})
    const source = parseAddress(client.remoteAddress ?? '')
    if (source && this.#parts.admits(source) && this.#hasRoom(source)) this.#forward(client, source)
    else client.resetAndDestroy()
  }

  #hasRoom(source: Address): boolean {
    const { connections, perSource } = this.#parts.limits
    if (this.#connections >= connections) {
      this.#parts.onTrouble(`all ${connections} connections are taken`)
      return false
    }
    if ((this.#bySource.get(source)?.size ?? 0) >= perSource) {
      this.#parts.onTrouble(`${source} has all ${perSource} connections that one address may have`)
      return false
    }
    return true
  }

  #forward(client: Socket, source: Address): void {
    const { settings, limits, onTrouble } = this.#parts
    const greeting = settings.proxyProtocol ? headerFor(client, source) : NOTHING
    // Without it the client's own first bytes would be taken for the header.
    if (!greeting) return void client.destroy()
    const { host, port } = settings.forward
    const backend = connect({ ...SOCKET_OPTIONS, host, port })
    const connection = { client, backend }
    this.#remember(source, connection)
    const unreachable = (error: Error) =>
      onTrouble(`cannot reach the service behind it: ${error.message}`)

    client.on('error', () => reset(connection))
    backend.on('error', () => reset(connection))
    backend.once('error', unreachable)
    backend.setTimeout(limits.connectTimeout, () =>
      backend.destroy(new Error(`${host} port ${port} is silent`)),
    )
    backend.once('connect', () => {
      backend.off('error', unreachable)
      backend.setTimeout(0)
      backend.write(greeting)
      client.pipe(backend)
      backend.pipe(client)
    })
  }

  #remember(source: Address, connection: Connection): void {
    const connections = this.#bySource.get(source) ?? new Set()
    this.#bySource.set(source, connections.add(connection))
    this.#connections++
    let open = 2
    const onClose = () => {
      if (--open > 0) return
      this.#connections--
      connections.delete(connection)
      if (connections.size === 0) this.#bySource.delete(source)
    }
    connection.client.once('close', onClose)
    connection.backend.once('close', onClose)
  }
}

/** Absent if the client is gone already: its socket no longer knows its ends. */
function headerFor(client: Socket, source: Address): Uint8Array | undefined {
  const destination = parseAddress(client.localAddress ?? '')
  if (!destination || client.remotePort === undefined || client.localPort === undefined) {
    return undefined
  }
  return proxyHeader(
    { address: source, port: client.remotePort },
    { address: destination, port: client.localPort },
  )
}

/** A reset on one side is one on the other: nobody takes a broken stream for a finished one. */
function reset({ client, backend }: Connection): void {
  if (!client.destroyed) client.resetAndDestroy()
  if (backend.destroyed) return
  if (backend.connecting) backend.destroy()
  else backend.resetAndDestroy()
}
