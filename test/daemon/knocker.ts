import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Reply } from '@oneknock/shared'
import type { Endpoint } from '../../server/src/core/directory.ts'
import { type Packet, readReply } from './packets.ts'

/** Called with each reply that answers one of our packets, as often as that happens. */
export type OnReply = (packet: Packet, reply: Reply) => void

/** Sends packets from one address, and knows which of them each reply answers. */
export class Knocker {
  readonly #socket: Socket
  readonly #to: Endpoint
  readonly #onReply: OnReply
  /** In the order in which they were sent. */
  readonly #asked: Packet[] = []
  readonly #waiting = new Map<Packet, (reply?: Reply) => void>()
  /** Datagrams that answer none of our packets: the daemon never sends such. */
  strays = 0

  private constructor(socket: Socket, to: Endpoint, onReply: OnReply) {
    this.#socket = socket
    this.#to = to
    this.#onReply = onReply
    // Nobody listens there while the daemon is down.
    socket.on('error', () => {})
    socket.on('message', datagram => this.#read(datagram))
  }

  static async at(source: string, to: Endpoint, onReply: OnReply = () => {}): Promise<Knocker> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })
    socket.bind(0, source)
    await once(socket, 'listening')
    return new Knocker(socket, to, onReply)
  }

  /** Sends it and goes on listening for its answer. */
  send(packet: Packet): void {
    this.#asked.push(packet)
    this.sendBytes(packet.datagram)
  }

  sendBytes(datagram: Uint8Array): void {
    this.#socket.send(datagram, this.#to.port, this.#to.host, () => {})
  }

  /** Sends it; what it was answered, or `undefined` if nothing was in time. */
  ask(packet: Packet, limitMs: number): Promise<Reply | undefined> {
    return new Promise(resolve => {
      const timer = setTimeout(() => settle(), limitMs)
      const settle = (reply?: Reply) => {
        clearTimeout(timer)
        this.#waiting.delete(packet)
        resolve(reply)
      }
      this.#waiting.set(packet, settle)
      this.send(packet)
    })
  }

  /** Nobody will answer any more what was asked so far. */
  giveUp(): void {
    for (const settle of [...this.#waiting.values()]) settle()
  }

  /** Its answers are looked for no more. */
  forget(packet: Packet): void {
    const at = this.#asked.lastIndexOf(packet)
    if (at >= 0) this.#asked.splice(at, 1)
  }

  close(): void {
    this.#socket.close()
  }

  #read(datagram: Uint8Array): void {
    let packet: Packet | undefined
    let reply: Reply | undefined
    // Most answers are to the latest packets.
    for (let i = this.#asked.length - 1; i >= 0 && !reply; i--) {
      packet = this.#asked[i]!
      reply = readReply(packet, datagram)
    }
    if (!packet || !reply) {
      this.strays++
      return
    }
    this.#onReply(packet, reply)
    this.#waiting.get(packet)?.(reply)
  }
}
