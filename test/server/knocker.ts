import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import {
  ANY,
  type DerivedKeys,
  deriveKeys,
  type Knock,
  NO_FACTOR,
  NONCE_BYTES,
  openReply,
  parseInvitation,
  type Reply,
  sealKnock,
  tagOf,
} from '@oneknock/shared'
import { until } from './kit.ts'

/** A client of a real daemon, down to its packets: what the real client never sends can be sent too. */
export class Knocker {
  readonly keys: DerivedKeys
  readonly #port: number
  readonly #socket: Socket
  readonly #replies: Uint8Array[] = []

  constructor(invitation: string) {
    const parsed = parseInvitation(invitation)
    if (!parsed.ok) throw new Error(parsed.error.code)
    this.keys = deriveKeys(parsed.value.key)
    this.#port = parsed.value.port
    this.#socket = createSocket('udp4')
    this.#socket.on('message', reply => this.#replies.push(reply))
  }

  seal(changes: Partial<Knock> = {}): Uint8Array {
    const sealed = sealKnock(this.keys, randomBytes(NONCE_BYTES), {
      verb: 'open',
      factor: NO_FACTOR,
      lifetime: 0,
      sentAt: Date.now(),
      knockId: randomBytes(8).toString('hex'),
      address: ANY,
      prefix: 128,
      services: [],
      ...changes,
    })
    if (!sealed.ok) throw new Error(sealed.error.field)
    return sealed.value
  }

  send(datagram: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(datagram, this.#port, '127.0.0.1', error =>
        error ? reject(error) : resolve(),
      )
    })
  }

  /** Sends a packet and waits for its own reply. */
  async ask(changes: Partial<Knock> = {}): Promise<Reply> {
    const datagram = this.seal(changes)
    await this.send(datagram)
    return until(
      () => this.answerTo(datagram),
      reply => reply !== undefined,
    ) as Promise<Reply>
  }

  /** The reply that has come to this packet. */
  answerTo(datagram: Uint8Array): Reply | undefined {
    for (const bytes of this.#replies) {
      const reply = openReply(this.keys, tagOf(datagram), bytes)
      if (reply.ok) return reply.value
    }
    return undefined
  }

  /** How many replies have come, to whatever. */
  get replies(): number {
    return this.#replies.length
  }

  close(): void {
    this.#socket.close()
  }
}

/** A UDP port that nobody has on loopback just now. */
export function freeUdpPort(): Promise<number> {
  const probe = createSocket('udp4')
  return new Promise((resolve, reject) => {
    probe.once('error', reject)
    probe.bind(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}
