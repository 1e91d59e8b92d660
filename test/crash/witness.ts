import type { Reply } from '@oneknock/shared'
import type { Packet } from '../daemon/packets.ts'
import type { Person } from '../daemon/people.ts'

/** Whoever knocks: a person with one device, at an address that may be somebody else's too. */
export interface Party {
  readonly person: Person
  readonly address: string
  opens: Open[]
  closes: Close[]
}

/** One knock for some services, and all that its sender knows of it. */
export interface Open {
  readonly party: Party
  readonly services: readonly string[]
  /** Seconds asked for. */
  readonly lifetime: number
  /** Which code it carries: the same text for the same code. */
  readonly code: string | undefined
  readonly packets: Packet[]
  outcome: Reply | undefined
}

/** What ends earlier grants of that party: a knock, or the administrator. */
export interface Close {
  readonly party: Party
  readonly services: readonly string[]
  /** Milliseconds since the Unix epoch. */
  at: number
  /** It was said to be done. */
  done: boolean
}

export type Act = Open | Close

export const isOpening = (act: Act): act is Open => 'packets' in act

/** Access that somebody has, or may have. */
export interface Claim {
  readonly open: Open
  readonly service: string
  /** Milliseconds since the Unix epoch. */
  readonly until: number
}

/** A reply says whole seconds, rounded, of what is left when it is sent. */
const ROUNDING_MS = 600

/** What the clients saw: all that the daemon can be held to. */
export class Witness {
  readonly parties: readonly Party[]
  readonly violations: string[] = []
  packets = 0
  opened = 0
  readonly #answers = new Map<Packet, number>()
  readonly #acts = new Map<Packet, Act>()
  readonly #codes = new Map<string, Open>()

  constructor(parties: readonly Party[]) {
    this.parties = parties
  }

  sent(act: Act, packet: Packet): void {
    this.packets++
    this.#acts.set(packet, act)
    if (isOpening(act)) act.packets.push(packet)
    else act.at = packet.knock.sentAt
  }

  answered(packet: Packet, reply: Reply): void {
    const times = (this.#answers.get(packet) ?? 0) + 1
    this.#answers.set(packet, times)
    const act = this.#acts.get(packet)!
    if (times > 1) this.violated(`a packet was answered ${times} times`, act)
    if (!isOpening(act)) {
      act.done ||= reply.status === 'closed'
      return
    }
    if (!act.outcome && reply.status === 'opened') this.opened++
    act.outcome ??= reply
    if (reply.status !== 'opened' || !act.code) return
    const other = this.#codes.get(act.code)
    if (other && other !== act) this.violated('a code was accepted twice', act)
    this.#codes.set(act.code, act)
  }

  violated(what: string, { party, services }: Act): void {
    this.violations.push(`${what}: ${party.person.name} at ${party.address}, ${services.join(' ')}`)
  }

  /** Packets sent since then that were answered: from now on they meet silence. */
  answeredSince(time: number): Packet[] {
    return [...this.#answers.keys()].filter(({ knock }) => knock.sentAt > time)
  }

  /** Codes that were accepted, latest first. */
  usedCodes(): Open[] {
    return [...this.#codes.values()].reverse()
  }

  /** What must be open now, since its owner was told so and has not asked to have it closed. */
  promised(now: number): Claim[] {
    return this.#claims(({ outcome }) => outcome?.status === 'opened')
      .map(claim => ({ ...claim, until: claim.until - 2 * ROUNDING_MS }))
      .filter(claim => claim.until > now && closes(claim).length === 0)
  }

  /** Until when a service may be open for an address at most. */
  possibleUntil(service: string, address: string): number {
    return this.#claims(({ party }) => party.address === address)
      .filter(claim => claim.service === service && !isClosed(claim))
      .reduce((latest, { until }) => Math.max(latest, until), 0)
  }

  /** Lets go of what nothing can follow from any more. */
  forget(now: number): void {
    for (const party of this.parties) {
      party.opens = party.opens.filter(open => {
        const claims = open.services.map(service => claim(open, service))
        return claims.some(one => one.until > now - 10_000 && !isClosed(one))
      })
      const oldest = Math.min(...party.opens.map(open => lastSent(open)))
      party.closes = party.closes.filter(({ at }) => at > oldest)
    }
  }

  #claims(counts: (open: Open) => boolean): Claim[] {
    return this.parties
      .flatMap(({ opens }) => opens.filter(counts))
      .flatMap(open => open.services.map(service => claim(open, service)))
  }
}

const claim = (open: Open, service: string): Claim => ({ open, service, until: latestEnd(open) })

/** When it ends at the latest. What was not answered may have been accepted as late as it was sent. */
function latestEnd(open: Open): number {
  const { outcome, lifetime } = open
  if (outcome && outcome.status !== 'opened') return 0
  if (outcome) return outcome.serverMs + outcome.lifetime * 1000 + ROUNDING_MS
  return lastSent(open) + lifetime * 1000 + ROUNDING_MS
}

const lastSent = ({ packets }: Open): number => packets.at(-1)?.knock.sentAt ?? 0

const closes = ({ open, service }: Claim): Close[] =>
  open.party.closes.filter(
    ({ at, services }) =>
      at > lastSent(open) && (services.length === 0 || services.includes(service)),
  )

const isClosed = (one: Claim): boolean => closes(one).some(({ done }) => done)
