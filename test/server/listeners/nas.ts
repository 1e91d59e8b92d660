import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import {
  ATTRIBUTE,
  type Attribute,
  AUTHENTICATOR_BYTES,
  CODE,
  decodePacket,
  encodePacket,
  type RadiusPacket,
  textOf,
} from '../../../server/src/listeners/radius/packet.ts'
import { hidePassword } from '../../../server/src/listeners/radius/passwords.ts'
import {
  answersRequest,
  checkSignature,
  md5,
  signRequest,
} from '../../../server/src/listeners/radius/signing.ts'
import { Inbox } from './inbox.ts'

const utf8 = new TextEncoder()

export const attribute = (type: number, value: string | Uint8Array): Attribute => ({
  type,
  value: typeof value === 'string' ? utf8.encode(value) : value,
})

export interface Answer extends RadiusPacket {
  readonly says: 'accept' | 'reject' | 'else'
  readonly words: string | undefined
}

/** What is asked, as bytes and as what they hold. */
export interface Asking {
  readonly bytes: Uint8Array
  readonly packet: RadiusPacket
}

export interface How {
  readonly signed?: boolean
  readonly code?: number
}

/** A client of the RADIUS door, down to its bytes: what real clients never send can be sent too. */
export class Nas {
  readonly secret: Uint8Array
  readonly #port: number
  readonly #socket: Socket
  readonly #inbox = new Inbox<Uint8Array>()
  #identifier = 0

  constructor(port: number, secret: string) {
    this.#port = port
    this.secret = utf8.encode(secret)
    this.#socket = createSocket('udp4')
    this.#socket.on('message', bytes => this.#inbox.put(bytes))
  }

  /** A request with these attributes, signed unless it says otherwise. */
  request(
    attributes: readonly Attribute[],
    { signed = true, code = CODE.accessRequest }: How = {},
  ): Asking {
    const authenticator = randomBytes(AUTHENTICATOR_BYTES)
    const identifier = this.#identifier++ % 256
    const packet = { code, identifier, authenticator, attributes }
    const bytes = signed ? signRequest(packet, this.secret) : encodePacket(packet)
    return { bytes: bytes!, packet }
  }

  /** A login by PAP. */
  pap(user: string, password: string, more: readonly Attribute[] = [], how: How = {}): Asking {
    const asking = this.request([], how)
    const { packet } = asking
    const hidden = hidePassword(utf8.encode(password), packet.authenticator, this.secret)!
    return this.#again(
      packet,
      [attribute(ATTRIBUTE.userName, user), attribute(ATTRIBUTE.userPassword, hidden), ...more],
      how,
    )
  }

  /** A login by CHAP, with the authenticator as its challenge unless another one is given. */
  chap(user: string, password: string, challenge?: Uint8Array, how: How = {}): Asking {
    const { packet } = this.request([], how)
    const identifier = Uint8Array.of(7)
    const made = md5(identifier, utf8.encode(password), challenge ?? packet.authenticator)
    const more = challenge ? [attribute(ATTRIBUTE.chapChallenge, challenge)] : []
    return this.#again(
      packet,
      [
        attribute(ATTRIBUTE.userName, user),
        attribute(ATTRIBUTE.chapPassword, Uint8Array.from([...identifier, ...made])),
        ...more,
      ],
      how,
    )
  }

  /** The same with more attributes. */
  resigned({ packet }: Asking, more: readonly Attribute[]): Asking {
    return this.#again(packet, [...packet.attributes, ...more], {})
  }

  send({ bytes }: Pick<Asking, 'bytes'>): void {
    this.#socket.send(bytes, this.#port, '127.0.0.1')
  }

  /** The next answer, which must be this one's, and signed. */
  async answer({ packet }: Asking): Promise<Answer> {
    const decoded = decodePacket(await this.#inbox.next())
    if (!decoded.ok) throw new Error(`an answer that is none: ${decoded.error}`)
    const answer = decoded.value
    if (answer.identifier !== packet.identifier) throw new Error('the answer to something else')
    if (!answersRequest(answer, packet.authenticator, this.secret)) throw new Error('forged')
    if (checkSignature(answer, packet.authenticator, this.secret) !== 'valid') {
      throw new Error('an answer without a right Message-Authenticator')
    }
    if (answer.attributes[0]?.type !== ATTRIBUTE.messageAuthenticator) {
      throw new Error('Message-Authenticator is not the first attribute')
    }
    const says =
      answer.code === CODE.accessAccept
        ? 'accept'
        : answer.code === CODE.accessReject
          ? 'reject'
          : 'else'
    return { ...answer, says, words: textOf(answer, ATTRIBUTE.replyMessage) }
  }

  ask(asking: Asking): Promise<Answer> {
    this.send(asking)
    return this.answer(asking)
  }

  rest(): readonly Uint8Array[] {
    return this.#inbox.rest()
  }

  close(): void {
    this.#socket.close()
  }

  #again(packet: RadiusPacket, attributes: readonly Attribute[], { signed = true }: How): Asking {
    const whole = { ...packet, attributes }
    const bytes = signed ? signRequest(whole, this.secret) : encodePacket(whole)
    return { bytes: bytes!, packet: whole }
  }
}
