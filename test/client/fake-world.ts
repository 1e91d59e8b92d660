import {
  type Address,
  decryptKnock,
  deriveKeys,
  fail,
  type Knock,
  type Network,
  NONCE_BYTES,
  ok,
  parseAddress,
  parseKnock,
  type Reply,
  type Result,
  sealReply,
  tagOf,
} from '@oneknock/shared'
import type { Clock } from '../../client/src/clock.ts'
import type { World } from '../../client/src/knock.ts'
import type { Ears, Transport } from '../../client/src/transport.ts'

export const KEY = Uint8Array.from({ length: 32 }, (_, i) => i)
export const keys = deriveKeys(KEY)
export const address = (text: string): Address => parseAddress(text)!

/** Time that stands still until a test moves it. */
export class FakeClock implements Clock {
  #elapsed = 0
  #timers: { at: number; run: () => void }[] = []
  readonly epoch: number

  constructor(epoch = 1_767_225_600_000) {
    this.epoch = epoch
  }

  now = (): number => this.epoch + this.#elapsed
  monotonic = (): number => this.#elapsed

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#elapsed + ms, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter(other => other !== timer)
    }
  }

  get timers(): number {
    return this.#timers.length
  }

  /** Runs what falls due on the way, each at its own time, with the promises that it settles. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await settled()
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (!due) break
      this.#timers = this.#timers.filter(timer => timer !== due)
      this.#elapsed = Math.max(this.#elapsed, due.at)
      due.run()
      await settled()
    }
    this.#elapsed = end
  }
}

/** All promises that can settle without I/O have. */
const settled = () => new Promise(resolve => setImmediate(resolve))

/** A packet that the fake network took, and what it says. */
export interface Sent {
  readonly at: number
  readonly server: Address
  readonly datagram: Uint8Array
  readonly knock: Knock
}

interface Place {
  /** This machine's address towards it; absent: no way there. */
  readonly own?: string
  /** Milliseconds to the server and back; absent: nothing comes back. */
  readonly roundTrip?: number
}

/** A world with a clock of its own, and a network of the places given. */
export class FakeWorld implements World {
  readonly clock = new FakeClock()
  readonly sent: Sent[] = []
  readonly closed: Address[] = []
  /** What this machine is on directly. */
  links: readonly Network[] = []
  /** What a server would say to a packet; absent: silence. */
  answer: (sent: Sent) => Partial<Reply> | undefined = () => undefined
  resolving: Promise<Result<readonly Address[], string>> | undefined
  readonly #places: ReadonlyMap<Address, Place>
  readonly #ears = new Map<Address, Ears>()
  #randomness = 0

  constructor(places: Readonly<Record<string, Place>>) {
    this.#places = new Map(Object.entries(places).map(([at, place]) => [address(at), place]))
  }

  /** Never the same twice. */
  random = (bytes: number): Uint8Array => {
    this.#randomness++
    return new Uint8Array(bytes).fill(this.#randomness)
  }

  readonly transport: Transport = {
    resolve: () => this.resolving ?? Promise.resolve(ok([...this.#places.keys()])),
    connect: async server => {
      const { own } = this.#places.get(server)!
      if (own === undefined) return fail('ENETUNREACH')
      return ok({
        server,
        own: parseAddress(own),
        listen: ears => this.#ears.set(server, ears),
        send: datagram => this.#take(server, datagram),
        close: () => this.closed.push(server),
      })
    },
    onLink: () => this.links,
  }

  /** Puts a datagram into the client's ears. */
  deliver(server: string, datagram: Uint8Array): void {
    this.#ears.get(address(server))?.datagram(datagram)
  }

  /** Tells the client that a packet could not go. */
  trouble(server: string, cause: string): void {
    this.#ears.get(address(server))?.trouble(cause)
  }

  #take(server: Address, datagram: Uint8Array): void {
    const opened = parseKnock(decryptKnock(keys.knockEncrypt, datagram))
    if (!opened.ok) throw new Error(`the client sent a malformed ${opened.error.field}`)
    const sent = { at: this.clock.monotonic(), server, datagram, knock: opened.value }
    this.sent.push(sent)
    const { roundTrip } = this.#places.get(server)!
    if (roundTrip === undefined) return
    this.clock.after(roundTrip, () => {
      const said = this.answer(sent)
      if (said) this.deliver(server, replyTo(datagram, { serverMs: this.clock.now(), ...said }))
    })
  }
}

const OPENED: Reply = {
  status: 'opened',
  reason: 'none',
  prefix: 128,
  lifetime: 1800,
  serverMs: 1_767_225_600_000,
  address: address('203.0.113.7'),
  grant: '00000000000000aa',
  detail: 'ssh',
}

let nonces = 0

/** A sealed reply to a packet: opened, unless told otherwise. */
export function replyTo(datagram: Uint8Array, said: Partial<Reply>): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES).fill(nonces++ % 256)
  const sealed = sealReply(keys, nonce, tagOf(datagram), { ...OPENED, ...said })
  if (!sealed.ok) throw new Error(`the test's reply is malformed: ${sealed.error.field}`)
  return sealed.value
}
