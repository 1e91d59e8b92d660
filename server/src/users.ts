import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fail, isName, NAME_RULE, ok, type Result } from '@oneknock/shared'
import type { ConfigError, Problem } from './config/error.ts'
import { checkPrivateFolder, readTrusted, type TrustedFile } from './config/files.ts'
import { locate, parseToml } from './config/toml.ts'
import type { Config } from './config.ts'
import type { Directory, Service, User } from './core/directory.ts'
import { readUser } from './users/user.ts'

/** Some three hundred devices: no person has as many. */
export const USER_FILE: TrustedFile = { secrecy: 'private', most: 65_536 }

const SUFFIX = '.toml'

export const userFile = (usersFolder: string, name: string): string =>
  join(usersFolder, `${name}${SUFFIX}`)

/** What of the configuration users depend on. */
export type UsersConfig = Pick<Config, 'services' | 'usersFolder'>

/** Reads `users/`, all of it or none: every error of every file at once. */
export async function loadDirectory(
  config: UsersConfig,
): Promise<Result<Directory, ConfigError[]>> {
  const listed = listUsers(config.usersFolder)
  if (!listed.ok) return fail(listed.error)
  const users = new Map<string, User>()
  const deviceOfKey = new Map<string, string>()
  const failures: Failure[] = []
  for (const name of listed.value) {
    const read = readFile(userFile(config.usersFolder, name), name, config.services)
    if (!read.ok) failures.push(read.error)
    else {
      const shared = sharedKeys(read.value.user, deviceOfKey)
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
  const read = readFile(userFile(config.usersFolder, name), name, config.services)
  return read.ok ? ok(read.value.user) : fail(await explain(read.error))
}

/** The same for a text that is no file yet. */
export async function parseUser(
  config: UsersConfig,
  name: string,
  text: string,
): Promise<Result<User, ConfigError[]>> {
  const read = understand(userFile(config.usersFolder, name), name, text, config.services)
  return read.ok ? ok(read.value.user) : fail(await explain(read.error))
}

/** Names of users, sorted. What does not end in `.toml`, and hidden files, are none of ours. */
export function listUsers(usersFolder: string): Result<string[], ConfigError[]> {
  const untrusted = checkPrivateFolder(usersFolder)
  if (untrusted) return fail([withRemedy(untrusted)])
  const files = readdirSync(usersFolder).filter(
    file => file.endsWith(SUFFIX) && !file.startsWith('.'),
  )
  const names = files.map(file => file.slice(0, -SUFFIX.length)).sort()
  const errors = names
    .filter(name => !isName(name))
    .map((name): ConfigError => {
      const file = userFile(usersFolder, name)
      return { code: 'value', file, message: `the file names the user, and ${NAME_RULE}` }
    })
  return errors.length === 0 ? ok(names) : fail(errors)
}

interface Failure {
  readonly file: string
  readonly text: string
  readonly problems: readonly Problem[]
  /** Of the file as a whole: nothing stands in its text to point at. */
  readonly whole?: ConfigError
}

type Understood = Result<{ file: string; text: string; user: User }, Failure>

function readFile(file: string, name: string, services: ReadonlyMap<string, Service>): Understood {
  const text = readTrusted(file, USER_FILE)
  if (text.ok) return understand(file, name, text.value, services)
  return fail({ file, text: '', problems: [], whole: text.error })
}

function understand(
  file: string,
  name: string,
  text: string,
  services: ReadonlyMap<string, Service>,
): Understood {
  const toml = parseToml(file, text)
  if (!toml.ok) return fail({ file, text, problems: [], whole: toml.error })
  const problems: Problem[] = []
  const user = readUser(name, toml.value, services, problems)
  return user && problems.length === 0 ? ok({ file, text, user }) : fail({ file, text, problems })
}

/** Two devices with one key could not be told apart, so neither could be taken away. */
function sharedKeys(user: User, deviceOfKey: Map<string, string>): Problem[] {
  return user.devices.flatMap(({ id, label, key }) => {
    const text = Buffer.from(key).toString('latin1')
    const other = deviceOfKey.get(text)
    deviceOfKey.set(text, other ?? id)
    if (other === undefined) return []
    const message = `is the key of ${other} too; give each device its own with: oneknockd device add`
    return [{ code: 'conflict', path: ['devices', label, 'key'], message }]
  })
}

const explain = async ({ file, text, problems, whole }: Failure): Promise<ConfigError[]> =>
  whole ? [whole] : locate(file, text, problems)

const withRemedy = (error: ConfigError): ConfigError =>
  error.code === 'absent'
    ? { ...error, message: `${error.message}; run: mkdir -m 700 ${error.file}` }
    : error
