import * as fs from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { contains } from '@oneknock/shared'
import type { Clock } from '../core/clock.ts'
import type { PermitSettings, Service, User } from '../core/directory.ts'
import { type Opening, openingKey } from '../core/openings.ts'
import { type Account, findAccount, keysFileOf } from './authorized-keys/accounts.ts'
import type { Entry } from './authorized-keys/block.ts'
import { KeysFile } from './authorized-keys/file.ts'
import type { Files } from './authorized-keys/folder.ts'
import { keyLines } from './authorized-keys/lines.ts'
import { endSessions } from './authorized-keys/sessions.ts'
import {
  type CuttingHook,
  type HookConfig,
  HookError,
  type HookErrorCode,
  type HookLog,
  type LivingHook,
} from './hook.ts'

export interface AuthorizedKeysParts {
  /** Those without a permit are left to other hooks. */
  readonly services: Iterable<Service>
  readonly users: ReadonlyMap<string, Pick<User, 'sshKeys'>>
  readonly clock: Clock
  readonly log: HookLog
  readonly files?: Files
}

interface Permit {
  readonly settings: PermitSettings
  readonly file: KeysFile
  readonly cutsOnClose: boolean
}

/**
 * Lets a user's ssh keys forward to what a service permits, from the granted address and until the
 * grant ends: lines in a block of the account's authorized_keys. sshd itself keeps to address and
 * time, so they hold even if the daemon is dead.
 */
export class AuthorizedKeysHook implements LivingHook, CuttingHook {
  readonly name = 'authorized-keys'
  readonly #parts: AuthorizedKeysParts
  #users: AuthorizedKeysParts['users']
  #permits: ReadonlyMap<string, Permit> = new Map()

  constructor(parts: AuthorizedKeysParts) {
    this.#parts = parts
    this.#users = parts.users
  }

  async start(): Promise<void> {
    await this.#take(this.#parts.services)
  }

  async configure({ services, users = this.#users }: HookConfig): Promise<void> {
    const before = this.#users
    this.#users = users
    try {
      await this.#take(services)
    } catch (error) {
      this.#users = before
      throw error
    }
  }

  /** What is open stays so: sshd closes it. */
  async stop(): Promise<void> {}

  async open(opening: Opening): Promise<void> {
    const { service, user } = opening
    const permit = this.#permits.get(service)
    if (!permit) {
      const line = `service ${service} permits no forwards: add services.${service}.permit, or name another backend`
      throw this.#error('unknown-service', line)
    }
    if (user === undefined) {
      throw this.#error('failed', `${openingKey(opening)} is nobody's, so no key is let in`)
    }
    if (this.#keysOf(user).length === 0) {
      const line = `user ${user} has no ssh key: add ssh_keys = ["ssh-ed25519 …"] to their file`
      throw this.#error('failed', line)
    }
    const entry = { service, user, network: opening.network, until: opening.until }
    await this.#change(permit.file, entries => [...without(entries, opening), entry])
  }

  async close(opening: Opening): Promise<void> {
    const permit = this.#permits.get(opening.service)
    if (!permit) return
    await this.#change(permit.file, entries => without(entries, opening))
    if (permit.cutsOnClose) await this.cut(opening)
  }

  /** What cannot be done is said, not tried for ever: the door is closed all the same. */
  async cut(opening: Opening): Promise<void> {
    const permit = this.#permits.get(opening.service)
    if (!permit) return
    const { account } = permit.settings
    let uid: number
    try {
      uid = this.#uidToCut(opening.service, permit.settings)
    } catch (error) {
      const fields = { hook: this.name, service: opening.service }
      return this.#parts.log(fields, `ssh sessions live on: ${(error as HookError).message}`)
    }
    const others = without(await this.#entriesOf(permit.file), opening)
    const ended = await endSessions(uid, peer => {
      const isIn = ({ network }: Opening) => contains(network, peer)
      return isIn(opening) && !others.some(isIn)
    })
    if (ended) return
    throw this.#error('failed', `an ssh session of account ${account} does not end; kill its sshd`)
  }

  async list(): Promise<readonly Opening[]> {
    const entries = await Promise.all(
      [...filesOf(this.#permits)].map(file => this.#entriesOf(file)),
    )
    return entries.flat()
  }

  /** Every file is fit and every account there, or nothing is changed. */
  async #take(services: Iterable<Service>): Promise<void> {
    const before = this.#permits
    const after = this.#permitsOf(services)
    const known = filesOf(before)
    const fresh = [...filesOf(after)].filter(file => !known.has(file))
    await Promise.all(fresh.map(file => this.#worded(file.tidy())))
    this.#permits = after
    const stays = ({ service }: Entry) =>
      !before.has(service) ||
      isDeepStrictEqual(before.get(service)?.settings, after.get(service)?.settings)
    try {
      for (const file of new Set([...filesOf(before), ...filesOf(after)])) {
        await this.#change(file, entries => entries.filter(stays))
      }
    } catch (error) {
      this.#permits = before
      throw error
    }
  }

  #permitsOf(services: Iterable<Service>): Map<string, Permit> {
    const files = new Map([...filesOf(this.#permits)].map(file => [file.path, file]))
    const permits = new Map<string, Permit>()
    for (const { name, permit: settings, onExpiry } of services) {
      if (!settings) continue
      const path = settings.file ?? keysFileOf(this.#accountOf(name, settings))
      const file = files.get(path) ?? this.#fileAt(path)
      files.set(path, file)
      const cutsOnClose = onExpiry === 'cut'
      if (cutsOnClose) this.#uidToCut(name, settings)
      permits.set(name, { settings, file, cutsOnClose })
    }
    return permits
  }

  #fileAt(path: string): KeysFile {
    const { files = fs } = this.#parts
    const linesFor = (entries: readonly Entry[]) =>
      keyLines(
        entries.map(({ service, user, network, until }) => {
          const { to } = this.#permits.get(service)!.settings
          return { user, keys: this.#keysOf(user), network, to, until }
        }),
      )
    return new KeysFile({ path, files, linesFor })
  }

  #keysOf(user: string): readonly string[] {
    return this.#users.get(user)?.sshKeys ?? []
  }

  #change(file: KeysFile, edit: (entries: readonly Entry[]) => readonly Entry[]): Promise<void> {
    return this.#worded(file.change(entries => this.#living(file, edit(entries))))
  }

  async #entriesOf(file: KeysFile): Promise<readonly Entry[]> {
    return this.#living(file, await this.#worded(file.entries()))
  }

  /** Whatever is over, or is no service's of this file any more, counts no longer. */
  #living(file: KeysFile, entries: readonly Entry[]): readonly Entry[] {
    const now = this.#parts.clock.now()
    return entries.filter(
      ({ service, until }) => until > now && this.#permits.get(service)?.file === file,
    )
  }

  #accountOf(service: string, { account }: PermitSettings): Account {
    const found = findAccount(account)
    if (found) return found
    const line = `/etc/passwd has no account ${account}: make it, or change services.${service}.permit`
    throw this.#error('unavailable', line)
  }

  #uidToCut(service: string, settings: PermitSettings): number {
    const { uid } = this.#accountOf(service, settings)
    if (process.geteuid?.() === 0) return uid
    const line = `only root can end the ssh sessions of account ${settings.account}: run the daemon as root, or leave on_expiry out of services.${service}; a service that guards sshd's port can cut in the firewall`
    throw this.#error('unavailable', line)
  }

  async #worded<T>(work: Promise<T>): Promise<T> {
    return work.catch(error => {
      throw this.#error('failed', error instanceof Error ? error.message : `${error}`)
    })
  }

  #error(code: HookErrorCode, message: string): HookError {
    return new HookError(this.name, code, message)
  }
}

const filesOf = (permits: ReadonlyMap<string, Permit>): ReadonlySet<KeysFile> =>
  new Set([...permits.values()].map(({ file }) => file))

const without = (entries: readonly Entry[], opening: Opening): readonly Entry[] =>
  entries.filter(entry => openingKey(entry) !== openingKey(opening))
