import { createSocket, type Socket } from 'node:dgram'
import {
  ATTRIBUTE,
  type Attribute,
  CODE,
  decodePacket,
  encodePacket,
  firstOf,
  type RadiusPacket,
} from '../../../server/src/listeners/radius/packet.ts'
import { revealPassword } from '../../../server/src/listeners/radius/passwords.ts'
import { checkRequest, md5, signAnswer } from '../../../server/src/listeners/radius/signing.ts'
import { bound } from './radius.ts'

export interface Heard {
  readonly packet: RadiusPacket
  readonly password: string
  readonly signature: string
  readonly answer: (bytes: Uint8Array) => void
}

/** A fake of a RADIUS server, for what no real one does: silence, lies and forgeries. */
export class FakeRadiusServer {
  readonly heard: Heard[] = []
  /** What it does with a request; absent: nothing. */
  does: ((heard: Heard) => void) | undefined
  readonly #socket: Socket
  readonly #secret: Uint8Array

  private constructor(socket: Socket, secret: string) {
    this.#socket = socket
    this.#secret = new TextEncoder().encode(secret)
    socket.on('message', (bytes, { port, address }) => {
      const decoded = decodePacket(bytes)
      if (!decoded.ok) throw new Error(decoded.error)
      const packet = decoded.value
      const hidden = firstOf(packet, ATTRIBUTE.userPassword) ?? new Uint8Array()
      const password = revealPassword(hidden, packet.authenticator, this.#secret)
      const heard = {
        packet,
        password: password ? Buffer.from(password).toString() : '',
        signature: checkRequest(packet, this.#secret),
        answer: (answer: Uint8Array) => socket.send(answer, port, address),
      }
      this.heard.push(heard)
      this.does?.(heard)
    })
  }

  static async start(secret: string): Promise<FakeRadiusServer> {
    const socket = createSocket('udp4')
    await bound(socket)
    return new FakeRadiusServer(socket, secret)
  }

  get endpoint() {
    return { host: '127.0.0.1', port: this.#socket.address().port }
  }

  /** Knows one password, and says these things with its Accept. */
  knows(right: string, attributes: readonly Attribute[] = []): void {
    this.does = heard => {
      const code = heard.password === right ? CODE.accessAccept : CODE.accessReject
      heard.answer(this.signed(heard, code, code === CODE.accessAccept ? attributes : []))
    }
  }

  signed({ packet }: Heard, code: number, attributes: readonly Attribute[] = []): Uint8Array {
    const { identifier, authenticator } = packet
    return signAnswer({ code, identifier, attributes }, authenticator, this.#secret)!
  }

  /** As servers answered before 2024: what a collision of MD5 can forge. */
  unsigned({ packet }: Heard, code: number, attributes: readonly Attribute[] = []): Uint8Array {
    const bytes = encodePacket({ ...packet, code, attributes })!
    bytes.set(md5(bytes, this.#secret), 4)
    return bytes
  }

  close(): void {
    this.#socket.close()
  }
}
