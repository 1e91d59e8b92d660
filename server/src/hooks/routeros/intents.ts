import { join } from 'node:path'
import { formatNetwork, isName, parseNetwork, toHex } from '@oneknock/shared'
import type { Opening } from '../../core/openings.ts'

/** A login that the router has, or may come to have: on record before it is asked for. */
export interface Intent {
  /** The login's name there. */
  readonly name: string
  /** Which router. */
  readonly url: string
  readonly opening: Opening
  /** False until its owner has been told: then nobody knows its password. */
  readonly delivered: boolean
}

/** What of `node:fs/promises` is used; a test lets the daemon die between any two of them. */
export type IntentFiles = Pick<
  typeof import('node:fs/promises'),
  'mkdir' | 'open' | 'readdir' | 'readFile' | 'rename' | 'unlink'
>

const SUFFIX = '.json'
const DRAFT = '.new'
const INSTANCE = 'instance'
const INSTANCE_BYTES = 8

/**
 * The logins that are to be removed in the end, whatever becomes of daemon or router: a file for
 * each in the state folder, there before the login is and gone after it. No password is in them.
 */
export class Intents {
  readonly #folder: string
  readonly #files: IntentFiles
  readonly #intents = new Map<string, Intent>()
  #instance = ''

  constructor(folder: string, files: IntentFiles) {
    this.#folder = folder
    this.#files = files
  }

  /** Names this daemon in the router's comments. */
  get instance(): string {
    return this.#instance
  }

  list(): readonly Intent[] {
    return [...this.#intents.values()]
  }

  get(name: string): Intent | undefined {
    return this.#intents.get(name)
  }

  /** Reads what there is; returns the names of files that say nothing of the kind. */
  async load(): Promise<readonly string[]> {
    const unreadable: string[] = []
    for (const file of (await this.#files.readdir(this.#folder).catch(ignoreAbsent)) ?? []) {
      const path = join(this.#folder, file)
      if (file.endsWith(DRAFT)) await this.#files.unlink(path)
      if (!file.endsWith(SUFFIX)) continue
      const intent = parseIntent(await this.#files.readFile(path, 'utf8'))
      if (intent && `${intent.name}${SUFFIX}` === file) this.#intents.set(intent.name, intent)
      else unreadable.push(path)
    }
    return unreadable
  }

  /** Durable once it resolves. */
  async put(intent: Intent): Promise<void> {
    await this.#write(`${intent.name}${SUFFIX}`, formatIntent(intent))
    this.#intents.set(intent.name, intent)
  }

  /** Only once the router has been seen not to have it. */
  async delete({ name }: Intent): Promise<void> {
    await this.#files.unlink(join(this.#folder, `${name}${SUFFIX}`)).catch(ignoreAbsent)
    await this.#sync()
    this.#intents.delete(name)
  }

  /** Before anything is made on a router. */
  async nameInstance(random: (bytes: number) => Uint8Array): Promise<void> {
    const path = join(this.#folder, INSTANCE)
    const text = await this.#files.readFile(path, 'utf8').catch(ignoreAbsent)
    const known = /^([0-9a-f]{16})\n$/.exec(text ?? '')?.[1]
    const instance = known ?? toHex(random(INSTANCE_BYTES))
    if (known === undefined) {
      await this.#files.mkdir(this.#folder, { recursive: true, mode: 0o700 })
      await this.#write(INSTANCE, `${instance}\n`)
    }
    this.#instance = instance
  }

  async #write(file: string, text: string): Promise<void> {
    const path = join(this.#folder, file)
    const handle = await this.#files.open(`${path}${DRAFT}`, 'w', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await this.#files.rename(`${path}${DRAFT}`, path)
    await this.#sync()
  }

  async #sync(): Promise<void> {
    const folder = await this.#files.open(this.#folder, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }
}

function ignoreAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

function formatIntent({ name, url, opening, delivered }: Intent): string {
  const { service, network, user, until } = opening
  const flat = { name, url, service, network: formatNetwork(network), user, until, delivered }
  return `${JSON.stringify(flat)}\n`
}

const isText = (value: unknown): value is string => typeof value === 'string'

function parseIntent(text: string): Intent | undefined {
  let flat: Record<string, unknown>
  try {
    flat = JSON.parse(text)
  } catch {
    return undefined
  }
  const { name, url, service, user, until, delivered } = flat
  const network = isText(flat.network) ? parseNetwork(flat.network) : undefined
  if (!isText(name) || !isText(url) || !isText(service) || !isName(service)) return undefined
  if (!isText(user) || !network || typeof until !== 'number') return undefined
  return { name, url, opening: { service, network, user, until }, delivered: delivered === true }
}
