import { createSocket, type RemoteInfo, type Socket, type SocketOptions } from 'node:dgram'
import { type Address, familyOf, parseAddress, scopeOf } from '@oneknock/shared'
import { formatEndpoint } from '../config/places.ts'
import type { Endpoint } from '../core/directory.ts'
import { RECEIVE_BUFFER_BYTES } from '../core/limits.ts'
import { listenError } from './listen-error.ts'

/** How often a wildcard is compared with the addresses that the host has now. */
export const RESCAN_MS = 2000

export type UdpNote =
  | { readonly note: 'bound'; readonly address: Address; readonly port: number }
  | { readonly note: 'gone'; readonly address: Address; readonly port: number }
  | { readonly note: 'buffer-capped'; readonly bytes: number; readonly wanted: number }
  | { readonly note: 'socket-error'; readonly address: Address; readonly message: string }
  | { readonly note: 'rescan-failed'; readonly message: string }

export interface SocketsOptions {
  /** Where to listen; an unspecified address means every address of the host, each by itself. */
  readonly endpoints: readonly Endpoint[]
  /** The host's own addresses, now. */
  readonly ownAddresses: () => readonly Address[]
  readonly report: (note: UdpNote) => void
  /** The key of the configuration that says where, for whoever reads an error. */
  readonly key: string
}

/** Called for each datagram; its bytes are read before it returns, and never kept. */
export type Receive = (datagram: Buffer, from: RemoteInfo, socket: Socket) => void

export interface Sockets {
  start(receive: Receive): Promise<void>
  /** Listens there from now on: what stays loses no packet, and if anything fails all stays. */
  listen(endpoints: readonly Endpoint[]): Promise<void>
  stop(): Promise<void>
}

interface Place {
  readonly address: Address
  readonly port: number
  /** Named in the configuration: then it is an error if the host does not have it. */
  readonly named: boolean
}

const placeKey = ({ address, port }: Omit<Place, 'named'>): string => `${address} ${port}`

/**
 * The UDP sockets of a listener. A wildcard becomes one socket for each local address: an answer
 * leaves from the address that was asked, which one socket for all of them could not promise.
 */
export function udpSockets({
  endpoints,
  ownAddresses,
  report,
  key: listenKey,
}: SocketsOptions): Sockets {
  const sockets = new Map<string, Socket>()
  let listenAt = endpoints
  /** One scan after the other: two would bind the same address twice. */
  let scanned: Promise<void> = Promise.resolve()
  let receive: Receive | undefined
  let timer: NodeJS.Timeout | undefined
  let cappedSaid = false
  let failureSaid = ''

  function scan(): Promise<void> {
    const scan = scanned.then(bindWanted)
    scanned = scan.catch(() => {})
    return scan
  }

  /** One place that cannot be had keeps no other waiting, but what was there before then stays. */
  async function bindWanted(): Promise<void> {
    if (!receive) return
    const hear = receive
    const wanted = new Map(places(listenAt, ownAddresses()).map(place => [placeKey(place), place]))
    const failures: unknown[] = []
    for (const [key, place] of wanted) {
      if (sockets.has(key)) continue
      const socket = await bind(place, listenKey).catch(error => void failures.push(error))
      if (socket) serve(key, place, socket, hear)
    }
    if (failures.length > 0) throw failures[0]
    for (const [key, socket] of sockets) if (!wanted.has(key)) forget(key, socket)
  }

  function serve(key: string, place: Place, socket: Socket, hear: Receive): void {
    sockets.set(key, socket)
    socket.on('error', error => {
      report({ note: 'socket-error', address: place.address, message: error.message })
      forget(key, socket)
    })
    socket.on('message', (datagram, from) => hear(datagram, from, socket))
    sayBound(place, socket)
  }

  function sayBound(place: Place, socket: Socket): void {
    const { address, port } = place
    report({ note: 'bound', address, port })
    const bytes = socket.getRecvBufferSize() / 2 // Linux counts its own book-keeping too.
    if (bytes >= RECEIVE_BUFFER_BYTES || cappedSaid) return
    cappedSaid = true
    report({ note: 'buffer-capped', bytes, wanted: RECEIVE_BUFFER_BYTES })
  }

  function forget(key: string, socket: Socket): void {
    sockets.delete(key)
    socket.close()
    const [address, port] = key.split(' ')
    report({ note: 'gone', address: address as Address, port: Number(port) })
  }

  function rescan(): void {
    const again = async () => {
      const failure = await scan().then(
        () => '',
        error => (error as Error).message,
      )
      if (failure && failure !== failureSaid) report({ note: 'rescan-failed', message: failure })
      failureSaid = failure
      if (receive) rescan()
    }
    timer = setTimeout(again, RESCAN_MS)
  }

  async function stop(): Promise<void> {
    receive = undefined
    clearTimeout(timer)
    await scanned
    for (const socket of sockets.values()) socket.close()
    sockets.clear()
  }

  return {
    async start(hear) {
      receive = hear
      try {
        await scan()
      } catch (error) {
        await stop()
        throw error
      }
      rescan()
    },
    async listen(wanted) {
      const before = listenAt
      listenAt = wanted
      try {
        await scan()
      } catch (error) {
        listenAt = before
        await scan().catch(() => {}) // The first error is the one to tell.
        throw error
      }
    },
    stop,
  }
}

/**
 * A reply that cannot leave is a reply lost: the client asks again, and whoever does not ask Node for
 * the outcome is told nothing of it. The socket may be closed by now, and Node throws for a source
 * port of 0, which anyone can forge.
 */
export function sendTo(socket: Socket, reply: Uint8Array, port: number, address: string): void {
  try {
    socket.send(reply, port, address)
  } catch {}
}

const endpointAddress = ({ host }: Endpoint): Address => parseAddress(host)!

const isWildcard = (endpoint: Endpoint): boolean =>
  scopeOf(endpointAddress(endpoint)) === 'unspecified'

function places(endpoints: readonly Endpoint[], own: readonly Address[]): Place[] {
  return endpoints.flatMap((endpoint): Place[] => {
    const { port } = endpoint
    const address = endpointAddress(endpoint)
    if (!isWildcard(endpoint)) return [{ address, port, named: true }]
    // `::` stands for both families, as a dual-stack socket would; link-local addresses need a zone.
    return own
      .filter(local => familyOf(address) === 6 || familyOf(local) === 4)
      .filter(local => scopeOf(local) !== 'link-local')
      .map(local => ({ address: local, port, named: false }))
  })
}

/** Addresses only, so there is nothing to look up: Node would go once round its queue for each answer. */
const SOCKET: Pick<SocketOptions, 'recvBufferSize' | 'lookup'> = {
  recvBufferSize: RECEIVE_BUFFER_BYTES,
  lookup: (address, _, found) => found(null, address, 0),
}

/** `undefined` if the address is not ready yet, as an IPv6 address is while it is being probed. */
function bind({ address, port, named }: Place, key: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket =
      familyOf(address) === 4
        ? createSocket({ type: 'udp4', ...SOCKET })
        : createSocket({ type: 'udp6', ipv6Only: true, ...SOCKET })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close()
      if (error.code === 'EADDRNOTAVAIL' && !named) resolve(undefined)
      else reject(listenError(error, 'udp', formatEndpoint({ host: address, port }), key))
    })
    socket.bind(port, address, () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
  })
}
