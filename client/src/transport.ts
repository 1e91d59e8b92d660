import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import {
  type Address,
  fail,
  familyOf,
  type Network,
  ok,
  parseAddress,
  parseNetwork,
  type Result,
} from '@oneknock/shared'

/** The network, as a knock sees it: the only part of the client that does I/O over it. */
export interface Transport {
  /** Every address of a name, in the order that the system prefers; or the system's word for why not. */
  resolve(host: string): Promise<Result<readonly Address[], string>>
  /** A way to one address, or the system's word for why there is none. Sends nothing. */
  connect(server: Address, port: number): Promise<Result<Route, string>>
  /** The networks that this machine is on directly with this address of its own. */
  onLink(own: Address): readonly Network[]
}

/** A way to the server in one family. Hears that server and port only. */
export interface Route {
  readonly server: Address
  /** This machine's address towards the server; `undefined` if it has a zone, so means nothing there. */
  readonly own: Address | undefined
  listen(ears: Ears): void
  send(datagram: Uint8Array): void
  close(): void
}

export interface Ears {
  datagram(datagram: Uint8Array): void
  /** The system's word for what went wrong. Nothing is over: the next packet may get through. */
  trouble(cause: string): void
}

export const udp: Transport = { resolve, connect, onLink }

function resolve(host: string): Promise<Result<readonly Address[], string>> {
  const literal = parseAddress(host)
  if (literal) return Promise.resolve(ok([literal]))
  return new Promise(settle => {
    process.getBuiltinModule('node:dns').lookup(host, { all: true }, (error, found) => {
      if (error) return settle(fail(causeOf(error)))
      // One with a zone is of this link only: a server is never known by such.
      const addresses = found.flatMap(({ address }) => parseAddress(address) ?? [])
      settle(addresses.length > 0 ? ok(addresses) : fail('ENODATA'))
    })
  })
}

function connect(server: Address, port: number): Promise<Result<Route, string>> {
  const socket = createSocket({ type: familyOf(server) === 4 ? 'udp4' : 'udp6', lookup: asItIs })
  let ears: Ears | undefined
  let open = true
  const route = (): Route => ({
    server,
    own: parseAddress(socket.address().address),
    listen: given => {
      ears = given
    },
    send: datagram => socket.send(datagram, error => error && ears?.trouble(causeOf(error))),
    close: () => {
      ears = undefined
      if (open) socket.close()
      open = false
    },
  })
  return new Promise(settle => {
    const refused = (error: Error) => {
      socket.close()
      settle(fail(causeOf(error)))
    }
    socket.once('error', refused)
    socket.once('connect', () => {
      socket.off('error', refused)
      socket.on('error', error => ears?.trouble(causeOf(error)))
      socket.on('message', datagram => ears?.datagram(datagram))
      settle(ok(route()))
    })
    socket.connect(port, server)
  })
}

/** An address needs no resolver: Node would set one up for it all the same. */
const asItIs = (
  address: string,
  _: unknown,
  done: (error: null, address: string, family: number) => void,
): void => process.nextTick(done, null, address, 0)

function onLink(own: Address): readonly Network[] {
  const entries = Object.values(networkInterfaces()).flatMap(entry => entry ?? [])
  return entries
    .filter(({ address }) => parseAddress(address) === own)
    .flatMap(({ cidr }) => parseNetwork(cidr ?? '') ?? [])
}

const causeOf = (error: NodeJS.ErrnoException): string => error.code ?? error.message
