import { mkdirSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { fail, isName, NAME_RULE, ok, type Result } from '@oneknock/shared'
import {
  checkPrivateFolder,
  readPrivate,
  removeDurably,
  removeTemporaries,
  replacePrivate,
  writeNewPrivate,
} from './private-file.ts'
import { formatProfile, type Profile, parseProfile } from './profile.ts'
import { quote } from './quote.ts'

export interface ProfileError {
  readonly code:
    | 'bad-name'
    | 'unknown-target'
    | 'insecure'
    | 'malformed'
    | 'exists'
    | 'unreadable'
    | 'unwritable'
  /** One line: what is wrong, where, and what to do next. Never holds a value from the file. */
  readonly message: string
}

const SUFFIX = '.json'

/** `oneknock/` in the XDG configuration folder; a relative XDG_CONFIG_HOME does not count (XDG 0.8). */
export function profilesFolder(env: NodeJS.ProcessEnv = process.env): string {
  const given = env.XDG_CONFIG_HOME ?? ''
  return join(isAbsolute(given) ? given : join(homedir(), '.config'), 'oneknock')
}

export const profilePath = (folder: string, name: string): string => join(folder, name + SUFFIX)

export function loadProfile(folder: string, name: string): Result<Profile, ProfileError> {
  if (!isName(name)) return badName(name)
  const path = profilePath(folder, name)
  try {
    const isPrivate = checkPrivateFolder(folder)
    if (!isPrivate.ok) return isPrivate
    const text = readPrivate(path)
    if (!text.ok) return text
    if (text.value === undefined) return unknownTarget(folder, name)
    const profile = parseProfile(text.value)
    if (profile.ok) return profile
    const { key, problem } = profile.error
    const place = key === undefined ? path : `${path}: ${key}`
    return failure('malformed', `${place} ${problem}; mend it, or remove and add the target again`)
  } catch (error) {
    return failure('unreadable', `cannot read ${path}: ${causeOf(error)}`)
  }
}

/** Writes a new profile, and gives its path. Nothing is left behind if it cannot. */
export function saveProfile(
  folder: string,
  name: string,
  profile: Profile,
): Result<string, ProfileError> {
  if (!isName(name)) return badName(name)
  const path = profilePath(folder, name)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const isPrivate = checkPrivateFolder(folder)
    if (!isPrivate.ok) return isPrivate
    if (writeNewPrivate(path, formatProfile(profile))) return ok(path)
    const remedy = `give another with --name, or first: oneknock remove ${name}`
    return failure('exists', `there is a target ${name} already; ${remedy}`)
  } catch (error) {
    return failure('unwritable', `cannot write ${path}: ${causeOf(error)}`)
  }
}

/** Puts a profile in the place of one that was loaded; nothing of the one before is left beside it. */
export function replaceProfile(
  folder: string,
  name: string,
  profile: Profile,
): Result<string, ProfileError> {
  const path = profilePath(folder, name)
  try {
    replacePrivate(path, formatProfile(profile))
    removeTemporaries(path)
    return ok(path)
  } catch (error) {
    return failure('unwritable', `cannot write ${path}: ${causeOf(error)}`)
  }
}

/** The names of all targets, in order; whatever else is in the folder is let be. */
export function listProfiles(folder: string): Result<readonly string[], ProfileError> {
  try {
    const isPrivate = checkPrivateFolder(folder)
    if (!isPrivate.ok) return isPrivate
    const names = readdirSync(folder)
      .filter(file => file.endsWith(SUFFIX))
      .map(file => file.slice(0, -SUFFIX.length))
    return ok(names.filter(isName).sort())
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return ok([])
    return failure('unreadable', `cannot read ${folder}: ${causeOf(error)}`)
  }
}

/** Removes a profile whatever it holds, a broken one too, and gives its path. */
export function removeProfile(folder: string, name: string): Result<string, ProfileError> {
  if (!isName(name)) return badName(name)
  const path = profilePath(folder, name)
  try {
    removeDurably(path)
    return ok(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return unknownTarget(folder, name)
    return failure('unwritable', `cannot remove ${path}: ${causeOf(error)}`)
  }
}

const failure = (code: ProfileError['code'], message: string) =>
  fail<ProfileError>({ code, message })

const badName = (name: string) =>
  failure('bad-name', `${quote(name)} is not the name of a target: ${NAME_RULE}`)

function unknownTarget(folder: string, name: string) {
  const names = listProfiles(folder)
  const known = names.ok && names.value.length > 0 ? `you have ${someOf(names.value)}` : ''
  return failure(
    'unknown-target',
    `there is no target ${name}; ${known || 'add one with an invitation: oneknock add'}`,
  )
}

/** More on one line is not read: `oneknock list` has them all. */
const NAMED_MAX = 8

function someOf(names: readonly string[]): string {
  if (names.length <= NAMED_MAX) return names.join(', ')
  const rest = names.length - NAMED_MAX
  return `${names.slice(0, NAMED_MAX).join(', ')} and ${rest} more: see oneknock list`
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code

const causeOf = (error: unknown): string => codeOf(error) ?? String(error)
