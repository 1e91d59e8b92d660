import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import {
  type Address,
  ANY,
  ANY_IPV4,
  decryptKnock,
  epochOf,
  equalBytes,
  type Family,
  familyOf,
  hintAt,
  type Knock,
  PACKET_BYTES,
  parseAddress,
  parseKnock,
  type Reply,
} from '@oneknock/shared'
import { bearsTag } from '../shared/tags.ts'
import { keys, replyTo } from './fake-world.ts'

/** A packet as the fake server got it: hint and tag checked, decrypted. */
export interface Received {
  readonly datagram: Uint8Array
  readonly knock: Knock
  readonly source: Address
  readonly family: Family
}

/** The datagrams to send back for one that came in; none is silence. */
type Script = (received: Received, server: FakeServer) => readonly Uint8Array[]

/**
 * Plays the server, with the protocol's own code and none of the daemon's: it says what a test tells
 * it to. On real sockets, on loopback.
 */
export class FakeServer {
  readonly received: Received[] = []
  /** Packets under a key that it does not know. */
  strangers = 0
  readonly port: number
  readonly #sockets: Socket[]
  script: Script

  /** The first free port, unless one is given. */
  static async start(hosts: readonly string[], script: Script, port = 0): Promise<FakeServer> {
    const sockets: Socket[] = []
    for (const host of hosts) {
      const type = host.includes(':') ? 'udp6' : 'udp4'
      const socket = createSocket({ type, ipv6Only: type === 'udp6' })
      socket.bind(sockets[0]?.address().port ?? port, host)
      await once(socket, 'listening')
      sockets.push(socket)
    }
    return new FakeServer(sockets, script)
  }

  private constructor(sockets: Socket[], script: Script) {
    this.#sockets = sockets
    this.port = sockets[0]!.address().port
    this.script = script
    for (const socket of sockets) {
      socket.on('message', (datagram, remote) => this.#hear(socket, datagram, remote))
    }
  }

  /** Once or more often. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets.splice(0)) socket.close()
  }

  #hear(socket: Socket, datagram: Uint8Array, remote: RemoteInfo): void {
    if (!bearsTag(keys.knockAuthenticate, datagram)) {
      this.strangers++
      return
    }
    const knock = open(datagram)
    const source = parseAddress(remote.address)!
    const received = { datagram, knock, source, family: familyOf(source) }
    this.received.push(received)
    for (const answer of this.script(received, this)) {
      socket.send(answer, remote.port, remote.address)
    }
  }
}

/** A client that signs anything but a good packet fails its test. */
function open(datagram: Uint8Array): Knock {
  const parsed = parseKnock(decryptKnock(keys.knockEncrypt, datagram))
  if (!parsed.ok) throw new Error(`malformed: ${parsed.error.field}`)
  const hint = hintAt(keys.hint, epochOf(parsed.value.sentAt))
  if (!equalBytes(datagram, 0, hint, 0, hint.length)) throw new Error('bad hint')
  if (datagram.length !== PACKET_BYTES) throw new Error('bad length')
  return parsed.value
}

/** What a server admits: the address named, or the source. */
const admitted = ({ knock, source }: Received): Address =>
  knock.address === ANY || knock.address === ANY_IPV4 ? source : knock.address

/** A good answer, changed as a test wants. */
export const answer = (received: Received, said: Partial<Reply> = {}): Uint8Array =>
  replyTo(received.datagram, {
    address: admitted(received),
    prefix: received.knock.prefix,
    serverMs: Date.now(),
    ...said,
  })
