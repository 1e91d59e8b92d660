import { familyOf, formatNetwork, type Network, parseNetwork } from '@oneknock/shared'
import { type Opening, openingKey } from '../../core/openings.ts'
import type { Item } from './api.ts'
import type { DoorParts, RouterDoor } from './door.ts'
import { formatMark, markOf, parseMark } from './mark.ts'
import { formatRouterTime, parseRouterTime } from './time.ts'
import { RouterError } from './transport.ts'

/** An entry that appeared or went between our look and our change makes us look again. */
const TRIES = 3
/** Seconds that the router's answer may be older or newer than ours. */
const SLACK = 5

/**
 * Entries of an address list with a timeout, for the router's own rules to match. The router ends
 * them itself; it also forgets them when it starts anew, so what is wanted is kept and put back.
 */
export class ListDoor implements RouterDoor {
  readonly #parts: DoorParts
  readonly #list: string
  readonly #wanted = new Map<string, Opening>()
  /** What an earlier life of this daemon left counts as wanted, until it is closed. */
  #adopted = false

  constructor(parts: DoorParts, list: string) {
    this.#parts = parts
    this.#list = list
  }

  async open(opening: Opening): Promise<void> {
    const key = openingKey(opening)
    const before = this.#wanted.get(key)
    this.#wanted.set(key, opening)
    try {
      await this.#hold(opening)
    } catch (error) {
      if (before) this.#wanted.set(key, before)
      else this.#wanted.delete(key)
      throw error
    }
  }

  async close(opening: Opening): Promise<void> {
    this.#wanted.delete(openingKey(opening))
    await this.#discard(opening.network)
    if ((await this.#entriesFor(opening.network)).length === 0) return
    throw new RouterError('nonsense', `the router still has the entry that it removed`)
  }

  /** A router's connection tracking is its own affair. */
  async cut(): Promise<void> {}

  async list(): Promise<readonly Opening[]> {
    const { service, clock } = this.#parts
    const now = clock.now()
    const entries = await Promise.all(Object.values(MENUS).map(menu => this.#entriesIn(menu)))
    return entries
      .flat()
      .flatMap(({ item, network, timeout = 0 }) =>
        this.#isMine(item) && timeout > 0
          ? [{ service, network, until: now + timeout * 1000 }]
          : [],
      )
  }

  async repair(): Promise<void> {
    const now = this.#parts.clock.now()
    for (const [key, { until }] of this.#wanted) if (until <= now) this.#wanted.delete(key)
    const there = await this.list()
    if (!this.#adopted) {
      for (const opening of there) {
        const key = openingKey(opening)
        if (!this.#wanted.has(key)) this.#wanted.set(key, opening)
      }
      this.#adopted = true
    }
    const keys = new Set(there.map(openingKey))
    for (const [key, { network }] of [...this.#wanted]) {
      if (!keys.has(key)) await this.#agree(key, network)
    }
    for (const opening of there) {
      const key = openingKey(opening)
      if (!this.#wanted.has(key)) await this.#agree(key, opening.network)
    }
  }

  /** As it is wanted when its turn has come. */
  #agree(key: string, network: Network): Promise<void> {
    return this.#parts.turns.take(key, async () => {
      const opening = this.#wanted.get(key)
      await (opening ? this.#hold(opening) : this.#discard(network))
    })
  }

  /** Sets the entry and reads it back: the router's word that it did is not enough. */
  async #hold(opening: Opening): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const left = Math.ceil((opening.until - this.#parts.clock.now()) / 1000)
      if (left <= 0) return this.#discard(opening.network)
      await this.#put(opening, left)
      const entries = await this.#entriesFor(opening.network)
      const { item, timeout = 0 } = entries[0] ?? {}
      const isHeld = Math.abs(timeout - left) <= SLACK && item?.disabled !== 'true'
      if (entries.length === 1 && isHeld) return
    }
    const what = `${formatNetwork(opening.network)} in list ${this.#list}`
    throw new RouterError('nonsense', `the router took ${what}, but does not hold it`)
  }

  async #discard(network: Network): Promise<void> {
    for (const { item } of await this.#entriesFor(network)) await this.#remove(item)
  }

  async #put(opening: Opening, left: number): Promise<void> {
    const { api, instance } = this.#parts
    const menu = menuOf(opening.network)
    const comment = formatMark(markOf(instance(), opening))
    const values = { timeout: formatRouterTime(left), comment }
    const [entry, ...more] = await this.#entriesFor(opening.network)
    for (const { item } of more) await this.#remove(item)
    try {
      if (entry) await api.set(menu, entry.item['.id']!, values)
      else
        await api.add(menu, {
          list: this.#list,
          address: formatNetwork(opening.network),
          ...values,
        })
    } catch (error) {
      if (!(error instanceof RouterError)) throw error
      const { code } = error
      if (code === 'duplicate') await this.#refuseForeign(opening.network)
      // A timed entry that may not be changed is replaced.
      else if (entry && code === 'refused') await this.#remove(entry.item)
      else if (code !== 'absent') throw error
    }
  }

  /** Somebody else's entry is not ours to change or to count on. */
  async #refuseForeign(network: Network): Promise<void> {
    if ((await this.#entriesFor(network)).length > 0) return
    const what = `${formatNetwork(network)} in list ${this.#list}`
    throw new RouterError('refused', `${what} is there already, and not by oneknock; remove it`)
  }

  /** Of this service, whichever daemon made them: a list belongs to one service. */
  async #entriesIn(menu: string): Promise<readonly Entry[]> {
    const items = await this.#parts.api.print(menu, { list: this.#list })
    return items.flatMap(item => {
      const network = parseNetwork(item.address ?? '')
      if (!network || parseMark(item.comment)?.service !== this.#parts.service) return []
      return [{ item, network, timeout: parseRouterTime(item.timeout ?? '') }]
    })
  }

  async #entriesFor(network: Network): Promise<readonly Entry[]> {
    const text = formatNetwork(network)
    const entries = await this.#entriesIn(menuOf(network))
    return entries.filter(entry => formatNetwork(entry.network) === text)
  }

  #isMine({ comment }: Item): boolean {
    return parseMark(comment)?.instance === this.#parts.instance()
  }

  #remove(item: Item): Promise<void> {
    const network = parseNetwork(item.address!)!
    return this.#parts.api.remove(menuOf(network), item['.id']!)
  }
}

interface Entry {
  readonly item: Item
  readonly network: Network
  /** Seconds that are left; absent: for ever. */
  readonly timeout: number | undefined
}

const MENUS = { 4: '/ip/firewall/address-list', 6: '/ipv6/firewall/address-list' } as const

const menuOf = ({ address }: Network): string => MENUS[familyOf(address)]
