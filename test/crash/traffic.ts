import { type Knock, NO_FACTOR, type Reply, totpCode, totpStep } from '@oneknock/shared'
import { Knocker } from '../daemon/knocker.ts'
import { newKnockId, type Packet, seal } from '../daemon/packets.ts'
import type { Site } from '../daemon/site.ts'
import type { Random } from './random.ts'
import { type Close, isOpening, type Open, type Party, type Witness } from './witness.ts'

/** Services that open without a code, and those that need one. */
export const FREE = ['free', 'task']
export const CODED = ['web', 'job']
/** Seconds: some grants end within a life of the daemon, some between two, some outlive many. */
const LIFETIMES = [1, 2, 3, 600]
/** Packets of one party in one life of the daemon: its bucket holds twenty, and is full at a start. */
const PACKETS_PER_LIFE = 14
/** The machine may be busy, but a daemon that lives answers. */
const ANSWER_MS = 10_000
/** Wrong codes of one party in all: five would lock its device. */
const WRONG_MAX = 2

/** One in so many asks no more what became of its knock. */
const GIVES_UP = 0.2

/** A knock that is not settled: what it asks, so that it can be asked again. */
interface Unsettled {
  readonly act: Open | Close
  readonly asks: Partial<Knock>
  readonly expected: (reply: Reply) => boolean
}

/** One party, knocking as long as the daemon lives; what was not answered is asked again in its next life. */
export class Traffic {
  readonly #party: Party
  readonly #knocker: Knocker
  readonly #site: Site
  readonly #witness: Witness
  readonly #random: Random
  #unsettled: Unsettled | undefined
  #step = 0
  #codesUsed = 0
  #wrong = 0
  #left = 0
  #ended = true

  private constructor(
    party: Party,
    knocker: Knocker,
    site: Site,
    witness: Witness,
    random: Random,
  ) {
    this.#party = party
    this.#knocker = knocker
    this.#site = site
    this.#witness = witness
    this.#random = random
  }

  static async of(party: Party, site: Site, witness: Witness, random: Random): Promise<Traffic> {
    const knocker = await Knocker.at(party.address, site, (packet, reply) =>
      witness.answered(packet, reply),
    )
    return new Traffic(party, knocker, site, witness, random)
  }

  /** What a client does that got no answer: the same knock, in a fresh packet; or it gives up. */
  async settle(): Promise<void> {
    this.#begin()
    if (this.#random.happens(GIVES_UP)) this.#unsettled = undefined
    if (this.#unsettled) await this.#ask(this.#unsettled)
  }

  /** Knocks in every way that there is, until `end`. */
  async run(): Promise<void> {
    this.#begin()
    while (!this.#ended && this.#left > 0) await this.#act()
  }

  /** The daemon is gone: nothing more is asked, and nothing is waited for. */
  end(): void {
    this.#ended = true
    this.#knocker.giveUp()
  }

  /** Sends bytes that were sent before. */
  replay({ datagram }: Packet): void {
    this.#knocker.sendBytes(datagram)
  }

  /** Uses a code again that was accepted. */
  async useAgain(open: Open): Promise<void> {
    const { factor, services } = open.packets[0]!.knock
    const again = { ...open, packets: [], outcome: undefined }
    const expected = ({ reason }: Reply) => ['factor-used', 'wrong-factor'].includes(reason)
    await this.#ask({ act: again, asks: { factor, services, knockId: newKnockId() }, expected })
  }

  /** Closes all that is open. */
  async closeAll(): Promise<void> {
    this.#begin()
    await this.#close([])
  }

  destroy(): void {
    this.#knocker.close()
  }

  #begin(): void {
    this.#ended = false
    this.#left = PACKETS_PER_LIFE
  }

  #act(): Promise<void> {
    const random = this.#random
    const roll = random.next()
    if (roll < 0.15) return this.#close(random.happens(0.5) ? [] : [random.of([...FREE, ...CODED])])
    if (roll < 0.2 && this.#wrong < WRONG_MAX) return this.#mistype()
    if (roll < 0.55) {
      const coded = this.#nextCode()
      if (coded) {
        const services = random.happens(0.5)
          ? [random.of(CODED)]
          : [random.of(FREE), random.of(CODED)]
        return this.#open(services, coded.factor, coded.code)
      }
    }
    return this.#open(random.happens(0.7) ? [random.of(FREE)] : FREE, NO_FACTOR, undefined)
  }

  #nextCode(): { factor: Knock['factor']; code: string } | undefined {
    const { name, codes, totp } = this.#party.person
    if (this.#random.happens(0.2) && this.#codesUsed < codes.length) {
      const code = codes[this.#codesUsed++]!
      return { factor: { kind: 'recovery', code }, code: `${name} ${code}` }
    }
    const now = totpStep(Date.now())
    const step = Math.max(now, this.#step + 1)
    if (step > now + 1) return undefined
    this.#step = step
    return {
      factor: { kind: 'totp', code: totpCode(totp!.secret, step) },
      code: `${name} step ${step}`,
    }
  }

  #open(services: readonly string[], factor: Knock['factor'], code: string | undefined) {
    const lifetime = this.#random.of(LIFETIMES)
    const act: Open = {
      party: this.#party,
      services,
      lifetime,
      code,
      packets: [],
      outcome: undefined,
    }
    this.#party.opens.push(act)
    const step = this.#step
    const expected = ({ status, reason }: Reply) => {
      if (status === 'opened') return true
      // Its time ran out before it was asked about again.
      if (status === 'closed') return Date.now() > act.packets[0]!.knock.sentAt + lifetime * 1000
      // A code that nobody took in time is too old when it is asked about again.
      const old = factor.kind === 'totp' && step < totpStep(Date.now()) - 1
      return old && reason === 'wrong-factor' && act.packets.length > 1
    }
    return this.#ask({ act, asks: { services, lifetime, factor, knockId: newKnockId() }, expected })
  }

  #mistype(): Promise<void> {
    this.#wrong++
    const act: Open = {
      party: this.#party,
      services: [CODED[0]!],
      lifetime: 1,
      code: undefined,
      packets: [],
      outcome: undefined,
    }
    const factor = { kind: 'recovery', code: 'abcd-abcd-abcd' } as const
    const asks = { services: act.services, factor, knockId: newKnockId() }
    return this.#ask({ act, asks, expected: ({ reason }) => reason === 'wrong-factor' })
  }

  #close(services: readonly string[]): Promise<void> {
    const act: Close = { party: this.#party, services, at: 0, done: false }
    this.#party.closes.push(act)
    const asks = { verb: 'close', services, knockId: newKnockId() } as const
    return this.#ask({ act, asks, expected: ({ status }) => status === 'closed' })
  }

  /** Asks, and now and then a second time without waiting, as when a reply is late. */
  async #ask(unsettled: Unsettled): Promise<void> {
    this.#unsettled = unsettled
    const first = this.#ready(unsettled)
    const answer = this.#knocker.ask(first, ANSWER_MS)
    if (this.#random.happens(0.2)) this.#knocker.send(this.#ready(unsettled))
    const reply = await answer
    if (reply) {
      this.#unsettled = undefined
      if (!unsettled.expected(reply)) {
        this.#witness.violated(`it was answered ${reply.status} ${reply.reason}`, unsettled.act)
      }
    } else if (!this.#ended && this.#site.running) {
      this.#witness.violated('a good packet was not answered', unsettled.act)
    }
  }

  #ready({ act, asks }: Unsettled): Packet {
    this.#left--
    const packet = seal(this.#party.person.devices[0]!, asks)
    this.#witness.sent(act, packet)
    if (!isOpening(act)) act.at = packet.knock.sentAt
    return packet
  }
}
