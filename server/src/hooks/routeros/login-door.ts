import { formatNetwork, parseNetwork } from '@oneknock/shared'
import { type Opening, openingKey } from '../../core/openings.ts'
import type { Item } from './api.ts'
import { type Random, randomName, randomPassword } from './credentials.ts'
import type { DoorParts, RouterDoor } from './door.ts'
import type { Intent, Intents } from './intents.ts'
import { formatMark, markOf, parseMark } from './mark.ts'
import { RouterError } from './transport.ts'

/** What a person is told, on a channel of their own. */
export interface Credentials {
  readonly service: string
  readonly user: string
  readonly url: string
  readonly name: string
  readonly password: string
  readonly network: Opening['network']
  readonly until: number
}

export interface LoginParts extends DoorParts {
  readonly url: string
  /** The router's group, which says what the login may do. */
  readonly group: string
  readonly intents: Intents
  readonly random: Random
  readonly deliver: (credentials: Credentials) => Promise<void>
}

const USERS = '/user'
const SESSIONS = '/user/active'
/** Whoever removes a person asks for the cut at once: a few at a time are plenty. */
const GONE_KEPT = 256

/**
 * A login of the router's own for one person and one grant. The router knows no end for it, so an
 * intent is on record before it is made, and forgotten only when the router was seen without it.
 */
export class LoginDoor implements RouterDoor {
  readonly #parts: LoginParts
  /** Names of logins that are gone, for those whose sessions are to end as well. */
  readonly #gone = new Map<string, string>()

  constructor(parts: LoginParts) {
    this.#parts = parts
  }

  async open(opening: Opening): Promise<void> {
    const { intents } = this.#parts
    if (opening.user === undefined) {
      throw new RouterError('refused', `${openingKey(opening)} is nobody's, so there is no login`)
    }
    const intent = this.#find(opening)
    if (intent?.delivered && (await this.#renew(intent, opening))) return
    // A password that was not delivered is lost: neither it nor its login is of use to anybody.
    if (intent) await this.#remove(intent)
    if (opening.until <= this.#parts.clock.now()) return
    const made = { ...intentOf(this.#parts, opening), delivered: false }
    await intents.put(made)
    const password = randomPassword(this.#parts.random)
    await this.#make(made, password)
    const { service, user, network, until } = { user: '', ...opening }
    const { url, deliver } = this.#parts
    await deliver({ service, user, url, name: made.name, password, network, until })
    await intents.put({ ...made, delivered: true })
  }

  async close(opening: Opening): Promise<void> {
    const intent = this.#find(opening)
    if (intent) await this.#remove(intent)
  }

  /** Sessions outlive their login. */
  async cut(opening: Opening): Promise<void> {
    const key = openingKey(opening)
    const name = this.#find(opening)?.name ?? this.#gone.get(key)
    if (name === undefined) return
    const { api, say } = this.#parts
    for (const session of await api.print(SESSIONS, { name })) {
      await api.run(`${SESSIONS}/request-logout`, { '.id': session['.id']! }).catch(error => {
        if (!isRefusal(error)) throw error
      })
    }
    // A version that does not know the command never will, however often it is asked.
    const left = await api.print(SESSIONS, { name })
    if (left.length > 0)
      say(`the router does not end the sessions of login ${name}; end them there`)
    this.#gone.delete(key)
  }

  /** What the router has of ours, and what it may have: its answer was lost, or is still to come. */
  async list(): Promise<readonly Opening[]> {
    return this.#mine().map(({ opening }) => opening)
  }

  async repair(): Promise<void> {
    const { api, clock, intents, turns } = this.#parts
    const isOver = ({ opening }: Intent) => opening.until <= clock.now()
    for (const { name, opening } of this.#mine().filter(isOver)) {
      await turns.take(openingKey(opening), async () => {
        const intent = intents.get(name)
        if (intent && isOver(intent)) await this.#remove(intent)
      })
    }
    for (const item of await api.print(USERS)) {
      if (this.#isStray(item, intents)) await api.remove(USERS, item['.id']!)
    }
  }

  /**
   * A login that nobody remembers: made by a request that was given up and came through late, or
   * before the state folder was lost. Another daemon's is let be until its time is up.
   */
  #isStray({ name = '', comment }: Item, intents: Intents): boolean {
    const mark = parseMark(comment)
    if (!mark || mark.service !== this.#parts.service || intents.get(name)) return false
    return mark.instance === this.#parts.instance() || mark.until <= this.#parts.clock.now()
  }

  /** False if the router has lost the login: then its owner needs another one. */
  async #renew(intent: Intent, opening: Opening): Promise<boolean> {
    const { api, intents, instance } = this.#parts
    await intents.put({ ...intent, opening })
    const [item] = await api.print(USERS, { name: intent.name })
    if (!item) return false
    const comment = formatMark(markOf(instance(), opening))
    if (item.comment !== comment) await api.set(USERS, item['.id']!, { comment })
    return true
  }

  async #make({ name, opening }: Intent, password: string): Promise<void> {
    const { api, group, instance } = this.#parts
    const values = {
      name,
      group,
      address: formatNetwork(opening.network),
      comment: formatMark(markOf(instance(), opening)),
    }
    await api.add(USERS, { ...values, password }).catch(error => {
      // Ours by its name: the first of two answers was lost on the way.
      if (!(error instanceof RouterError && error.code === 'duplicate')) throw error
    })
    const [item, ...more] = await api.print(USERS, { name })
    const isAsWanted =
      item !== undefined &&
      more.length === 0 &&
      item.group === group &&
      item.comment === values.comment &&
      networkOf(item) === formatNetwork(opening.network) &&
      item.disabled !== 'true'
    if (!isAsWanted) {
      throw new RouterError(
        'nonsense',
        `the router took the login ${name}, but does not have it so`,
      )
    }
  }

  async #remove(intent: Intent): Promise<void> {
    const { api, intents } = this.#parts
    for (const item of await api.print(USERS, { name: intent.name })) {
      await api.remove(USERS, item['.id']!)
    }
    if ((await api.print(USERS, { name: intent.name })).length > 0) {
      throw new RouterError('nonsense', `the router still has the login ${intent.name}`)
    }
    await intents.delete(intent)
    this.#gone.set(openingKey(intent.opening), intent.name)
    const [oldest] = this.#gone.keys()
    if (this.#gone.size > GONE_KEPT) this.#gone.delete(oldest!)
  }

  #mine(): readonly Intent[] {
    const { service, url, intents } = this.#parts
    return intents.list().filter(intent => intent.opening.service === service && intent.url === url)
  }

  #find(opening: Opening): Intent | undefined {
    const key = openingKey(opening)
    return this.#mine().find(intent => openingKey(intent.opening) === key)
  }
}

const intentOf = ({ url, random }: LoginParts, opening: Opening) => ({
  name: randomName(random),
  url,
  opening,
})

const isRefusal = (error: unknown): boolean =>
  error instanceof RouterError && (error.code === 'absent' || error.code === 'refused')

/** The router may write one address as a network of one. */
function networkOf({ address = '' }: Item): string | undefined {
  const network = parseNetwork(address)
  return network && formatNetwork(network)
}
