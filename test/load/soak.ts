import { randomBytes } from 'node:crypto'
import { PACKET_BYTES, totpCode, totpStep } from '@oneknock/shared'
import { SPACE_BYTES } from '../../server/src/ledger/ledger.ts'
import { greeter } from '../crash/doors.ts'
import { Knocker } from '../daemon/knocker.ts'
import { type Packet, seal } from '../daemon/packets.ts'
import { type Person, person } from '../daemon/people.ts'
import { Site } from '../daemon/site.ts'
import { until } from '../server/kit.ts'

export interface SoakOptions {
  /** The daemon as one file. */
  readonly program: string
  readonly seconds: number
  readonly people: number
}

export interface SoakFigures {
  junk: number
  replays: number
  good: number
  /** Of the good ones, those with a code. */
  coded: number
  readonly violations: string[]
  /** Resident memory in MiB, sixty times in equal distances. */
  readonly rss: number[]
}

/** What a good knock takes in the ledger: its lines, and its share of every checkpoint until it is forgotten. */
const LEDGER_BYTES = 2048
/** Of the ledger's space; the rest is for what is bigger than was thought. */
const LEDGER_SHARE = 0.8

/**
 * Good knocks a second at most: a ledger that is full refuses, rightly, and however fast a machine is,
 * the soak is not about that.
 */
export const goodRate = (seconds: number): number =>
  (LEDGER_SHARE * SPACE_BYTES) / LEDGER_BYTES / seconds

/** Sent between two looks at the counters: fewer than the smallest receive buffer keeps. */
const JUNK = 100
const REPLAYS = 20
const GOOD = 8
/** A machine that has other work, too, answers in this time. */
const ANSWER_MS = 10_000
/** So that they come and go all the time; an answer must not come later than the end. */
const LIFETIME_S = 10
const SAMPLES = 60
const REPLAYED_FROM = 500

interface Status {
  readonly rss_bytes: number
  readonly packets: Readonly<Record<string, number>>
}

/** Junk, replays and good knocks, all mixed, for as long as is said. */
export async function soak({ program, seconds, people }: SoakOptions): Promise<SoakFigures> {
  const guests = Array.from({ length: people }, (_, i) =>
    person(`guest-${i}`, { services: ['free', 'coded'] }),
  )
  const site = new Site({ program, people: guests, config })
  const service = await greeter(site.host, 80)
  try {
    await site.start()
    const knocker = await Knocker.at('127.5.5.5', site)
    const figures = await new Soak(site, knocker, guests).run(seconds)
    knocker.close()
    const status = await site.end()
    if (status !== 0) figures.violations.push(`it ended with status ${status}`)
    return figures
  } finally {
    service.close()
    await site.destroy()
  }
}

const config = (site: Site) => `
[services.free]
factor = "none"
gate = { listen = "${site.address(8443)}", forward = "${site.address(80)}" }
[services.coded]
gate = { listen = "${site.address(8444)}", forward = "${site.address(80)}" }
`

class Soak {
  readonly #site: Site
  readonly #knocker: Knocker
  readonly #guests: readonly Person[]
  readonly #steps = new Map<Person, number>()
  /** What was answered lately. */
  readonly #answered: Packet[] = []
  readonly #figures: SoakFigures = {
    ...{ junk: 0, replays: 0, good: 0, coded: 0 },
    ...{ violations: [], rss: [] },
  }

  constructor(site: Site, knocker: Knocker, guests: readonly Person[]) {
    this.#site = site
    this.#knocker = knocker
    this.#guests = guests
  }

  async run(seconds: number): Promise<SoakFigures> {
    const began = performance.now()
    const { violations, rss } = this.#figures
    const rate = goodRate(seconds)
    let before = 0
    let credit = GOOD
    while (violations.length === 0) {
      const passed = (performance.now() - began) / 1000
      const share = passed / seconds
      if (share >= 1) break
      for (let i = 0; i < JUNK; i++) this.#junk()
      for (let i = 0; i < REPLAYS && this.#answered.length > 0; i++) this.#replay()
      const first = this.#figures.good
      // What a slow machine did not manage is not made up for: a burst at the end would look like growth.
      credit = Math.min(GOOD, credit + (passed - before) * rate)
      before = passed
      const count = Math.floor(credit)
      credit -= count
      await Promise.all(Array.from({ length: count }, (_, i) => this.#good(first + i)))
      const { rss_bytes } = await this.#settled()
      if (share * SAMPLES > rss.length) rss.push(Math.round(rss_bytes / 2 ** 20))
    }
    this.#judge((await this.#settled()).packets)
    return this.#figures
  }

  /** Random bytes of the right length or another, or a good packet with one byte changed. */
  #junk(): void {
    const kind = this.#figures.junk++ % 4
    const bytes =
      kind === 0
        ? randomBytes(Math.floor(Math.random() * 2 * PACKET_BYTES))
        : randomBytes(PACKET_BYTES)
    const good = kind === 3 ? this.#answered.at(-1) : undefined
    if (good) {
      bytes.set(good.datagram)
      bytes[8 + Math.floor(Math.random() * (PACKET_BYTES - 8))]! ^= 1
    }
    this.#knocker.sendBytes(bytes)
  }

  #replay(): void {
    this.#figures.replays++
    const packet = this.#answered[Math.floor(Math.random() * this.#answered.length)]!
    this.#knocker.sendBytes(packet.datagram)
  }

  /** Somebody opens for some seconds or closes; with a code, if they have not used the present one. */
  async #good(number: number): Promise<void> {
    const guest = this.#guests[number % this.#guests.length]!
    const round = Math.floor(number / this.#guests.length)
    const step = totpStep(Date.now())
    const coded = (this.#steps.get(guest) ?? 0) < step
    const open = coded || round % 2 === 0
    if (coded) this.#steps.set(guest, step)
    const packet = seal(guest.devices[0]!, {
      verb: open ? 'open' : 'close',
      services: [coded ? 'coded' : 'free'],
      lifetime: open ? LIFETIME_S : 0,
      ...(coded && { factor: { kind: 'totp', code: totpCode(guest.totp!.secret, step) } }),
    })
    const reply = await this.#knocker.ask(packet, ANSWER_MS)
    this.#knocker.forget(packet)
    this.#figures.good++
    if (coded) this.#figures.coded++
    const expected = open ? 'opened' : 'closed'
    if (reply?.status !== expected) {
      const got = reply ? `${reply.status} ${reply.reason}` : 'nothing'
      this.#figures.violations.push(`a good knock was answered with ${got}`)
    }
    this.#answered.push(packet)
    if (this.#answered.length > REPLAYED_FROM) this.#answered.shift()
  }

  /** The daemon has taken in all that was sent: nothing was lost on the way. */
  #settled(): Promise<Status> {
    const { junk, replays, good } = this.#figures
    return until(
      () => this.#site.ask<Status>({ command: 'status' }),
      ({ packets }) => sum(packets) === junk + replays + good,
      ANSWER_MS,
    )
  }

  #judge({ opened = 0, closed = 0, refused = 0, rate = 0 }: Status['packets']): void {
    const { good, violations } = this.#figures
    if (opened + closed !== good) violations.push(`${opened + closed} of ${good} were let in`)
    if (refused + rate > 0) violations.push(`${refused} were refused, ${rate} came too fast`)
    if (this.#knocker.strays > 0) violations.push(`${this.#knocker.strays} answers to nothing`)
  }
}

const sum = (packets: Status['packets']): number =>
  Object.values(packets).reduce((a, b) => a + b, 0)
