import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import {
  equalBytes,
  fail,
  isName,
  KEY_BYTES,
  NAME_RULE,
  ok,
  type Result,
  readU32,
} from '@oneknock/shared'
import { ownCommand } from './config/command.ts'
import type { ConfigError, Problem } from './config/error.ts'
import { checkPrivateFolder, readTrusted, type TrustedFile } from './config/files.ts'
import { locate, parseToml } from './config/toml.ts'
import type { Config } from './config.ts'
import { type Device, type Directory, isOnline, type User } from './core/directory.ts'
import { readUser } from './users/user.ts'

/** Some three hundred devices: no person has as many. */
export const USER_FILE: TrustedFile = { secrecy: 'private', most: 65_536 }

/** Some milliseconds of reading: a daemon that reloads answers knocks in between. */
const FILES_AT_ONCE = 64

const SUFFIX = '.toml'

export const userFile = (usersFolder: string, name: string): string =>
  join(usersFolder, `${name}${SUFFIX}`)

/** What of the configuration users depend on. */
export type UsersConfig = Pick<Config, 'services' | 'usersFolder'> & {
  readonly yubikey?: Config['yubikey']
}

/** Reads `users/`, all of it or none: every error of every file at once. */
export async function loadDirectory(
  config: UsersConfig,
): Promise<Result<Directory, ConfigError[]>> {
  const listed = listFolder(config.usersFolder)
  if (!listed.ok) return fail([listed.error])
  const users = new Map<string, User>()
  const holders: Holders = new Map()
  const failures: Failure[] = []
  for (const [index, name] of listed.value.entries()) {
    if (index % FILES_AT_ONCE === 0) await setImmediate()
    const read = readFile(userFile(config.usersFolder, name), name, config)
    if (!read.ok) failures.push(read.error)
    else {
      const shared = sharedKeys(read.value.user, holders)
      if (shared.length > 0) failures.push({ ...read.value, problems: shared })
      users.set(name, read.value.user)
    }
  }
  if (failures.length === 0) return ok({ services: config.services, users })
  const errors: ConfigError[] = []
  for (const failure of failures) errors.push(...(await explain(failure)))
  return fail(errors)
}

/** One user alone, as the commands need it. */
export async function loadUser(
  config: UsersConfig,
  name: string,
): Promise<Result<User, ConfigError[]>> {
  const read = readFile(userFile(config.usersFolder, name), name, config)
  return read.ok ? ok(read.value.user) : fail(await explain(read.error))
}

/** The same for a text that is no file yet. */
export async function parseUser(
  config: UsersConfig,
  name: string,
  text: string,
): Promise<Result<User, ConfigError[]>> {
  const read = understand(userFile(config.usersFolder, name), name, text, config)
  return read.ok ? ok(read.value.user) : fail(await explain(read.error))
}

/** Names, sorted. What does not end in `.toml`, and hidden files, are none of ours. */
function listFolder(usersFolder: string): Result<string[], ConfigError> {
  const untrusted = checkPrivateFolder(usersFolder)
  if (untrusted) return fail(withRemedy(untrusted))
  const files = readdirSync(usersFolder).filter(
    file => file.endsWith(SUFFIX) && !file.startsWith('.'),
  )
  return ok(files.map(file => file.slice(0, -SUFFIX.length)).sort())
}

/** A file that cannot be read at all, or a text with problems in it whose lines are still to be found. */
type Failure =
  | ConfigError
  | { readonly file: string; readonly text: string; readonly problems: readonly Problem[] }

type Understood = Result<{ file: string; text: string; user: User }, Failure>

function readFile(file: string, name: string, config: UsersConfig): Understood {
  if (!isName(name)) {
    return fail({ code: 'value', file, message: `the file names the user, and ${NAME_RULE}` })
  }
  const text = readTrusted(file, USER_FILE)
  return text.ok ? understand(file, name, text.value, config) : text
}

function understand(file: string, name: string, text: string, config: UsersConfig): Understood {
  const toml = parseToml(file, text)
  if (!toml.ok) return toml
  const problems: Problem[] = []
  const user = readUser(name, toml.value, config.services, problems)
  if (user && !config.yubikey) problems.push(...askingNobody(user))
  return user && problems.length === 0 ? ok({ file, text, user }) : fail({ file, text, problems })
}

const askingNobody = ({ yubikeys = [] }: User): Problem[] =>
  yubikeys.filter(isOnline).map(({ label }) => ({
    code: 'conflict',
    path: ['yubikeys', label, 'online'],
    message: 'the configuration names no validation server; write [yubikey] there',
  }))

/** Devices by how their keys begin: texts of whole keys would take several times as long to look up. */
type Holders = Map<number, Device[]>

/** Two devices with one key could not be told apart, so neither could be taken away. */
function sharedKeys(user: User, holders: Holders): Problem[] {
  const problems: Problem[] = []
  for (const device of user.devices) {
    const beginning = readU32(device.key, 0) | 0
    const alike = holders.get(beginning)
    const other = alike?.find(({ key }) => equalBytes(key, 0, device.key, 0, KEY_BYTES))
    if (alike) alike.push(device)
    else holders.set(beginning, [device])
    if (!other) continue
    const message = `is the key of ${other.id} too; give each device its own with: ${ownCommand('device add')}`
    problems.push({ code: 'conflict', path: ['devices', device.label, 'key'], message })
  }
  return problems
}

const explain = async (failure: Failure): Promise<ConfigError[]> =>
  'problems' in failure ? locate(failure.file, failure.text, failure.problems) : [failure]

const withRemedy = (error: ConfigError): ConfigError =>
  error.code === 'absent'
    ? { ...error, message: `${error.message}; run: mkdir -m 700 ${error.file}` }
    : error
