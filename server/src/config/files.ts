import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { fail, ok, type Result } from '@oneknock/shared'
import type { ConfigError } from './error.ts'

/** Who may do what with a file, beyond its owner. */
export type Secrecy = 'unwritable' | 'private'

const FORBIDDEN: { readonly [S in Secrecy]: number } = {
  // The configuration names commands to run: who can write it can be the daemon.
  unwritable: 0o022,
  // Who can read a user's file can be that user.
  private: 0o077,
}

export interface TrustedFile {
  readonly secrecy: Secrecy
  /** Bytes. A file beyond it is no such file, and is not read. */
  readonly most: number
}

/** Reads a file that only root and this process's user can have written. */
export function readTrusted(file: string, rule: TrustedFile): Result<string, ConfigError> {
  return withFile(file, 0, descriptor => {
    const stats = fstatSync(descriptor)
    if (!stats.isFile()) return fail({ code: 'unreadable', file, message: 'is not a regular file' })
    const untrusted = checkStats(file, stats, rule.secrecy)
    if (untrusted) return fail(untrusted)
    if (stats.size > rule.most) {
      const message = `has ${stats.size} bytes, which is more than ${rule.most}; this cannot be it`
      return fail({ code: 'unreadable', file, message })
    }
    return readText(file, descriptor, rule.most)
  })
}

/** Who may look into a folder, beside root. */
export interface FolderRule {
  /** The daemon's user; this process's, unless it acts for another. */
  readonly owner?: number
  /** Members of its group may go through it, to what they know the name of. */
  readonly groupPasses?: boolean
}

const GROUP_PASSES = 0o010

/** A folder into which only root and the daemon's user can look. */
export function checkPrivateFolder(
  folder: string,
  { owner, groupPasses = false }: FolderRule = {},
): ConfigError | undefined {
  const checked = withFile(folder, constants.O_DIRECTORY, descriptor => {
    const forbidden = FORBIDDEN.private & ~(groupPasses ? GROUP_PASSES : 0)
    const untrusted = checkStats(folder, fstatSync(descriptor), 'private', forbidden, owner)
    return untrusted ? fail(untrusted) : ok(undefined)
  })
  return checked.ok ? undefined : checked.error
}

/** What is asked of a path is asked of what was opened, so that nobody swaps it in between. */
function withFile<T>(
  file: string,
  flags: number,
  use: (descriptor: number) => Result<T, ConfigError>,
): Result<T, ConfigError> {
  let descriptor: number | undefined
  try {
    // Without O_NONBLOCK a named pipe would keep the daemon waiting for a writer.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | flags)
    return use(descriptor)
  } catch (error) {
    return fail(explainAccess(file, error))
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

function checkStats(
  file: string,
  stats: Stats,
  secrecy: Secrecy,
  forbidden = FORBIDDEN[secrecy],
  self = process.geteuid?.() ?? 0,
): ConfigError | undefined {
  if (stats.uid !== 0 && stats.uid !== self) {
    const message = `belongs to uid ${stats.uid}, who could then be this server (uid ${self}); run: chown ${self} ${quote(file)}`
    return { code: 'owner', file, message }
  }
  const mode = stats.mode & 0o7777
  if ((mode & forbidden) === 0) return undefined
  const right = stats.isDirectory() ? '700' : secrecy === 'private' ? '600' : 'go-w'
  const harm = secrecy === 'private' ? 'others can read it' : 'others can write it'
  const found = `mode ${mode.toString(8).padStart(4, '0')}`
  return { code: 'mode', file, found, message: `${harm}; run: chmod ${right} ${quote(file)}` }
}

let buffer = Buffer.alloc(4_096)

/** One buffer for all files: a hundred thousand of them are read in a row. */
function readText(file: string, descriptor: number, most: number): Result<string, ConfigError> {
  let length = 0
  for (;;) {
    if (length === buffer.length) buffer = Buffer.concat([buffer], 2 * buffer.length)
    const read = readSync(descriptor, buffer, length, buffer.length - length, length)
    if (read === 0) break
    length += read
    if (length > most) {
      return fail({
        code: 'unreadable',
        file,
        message: `grew beyond ${most} bytes while it was read`,
      })
    }
  }
  const bytes = buffer.subarray(0, length)
  if (isUtf8(bytes)) return ok(bytes.toString('utf8'))
  return fail({ code: 'syntax', file, message: 'this is not UTF-8 text' })
}

function explainAccess(file: string, error: unknown): ConfigError {
  const { code, message } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT':
      return { code: 'absent', file, message: 'does not exist' }
    case 'ENOTDIR':
      return {
        code: 'absent',
        file,
        message: 'is not a folder, or lies below something that is none',
      }
    case 'EACCES':
    case 'EPERM': {
      const self = process.geteuid?.() ?? 0
      const remedy =
        self === 0 ? 'check its owner and mode' : 'use sudo, or check its owner and mode'
      return { code: 'unreadable', file, message: `cannot be read by uid ${self}; ${remedy}` }
    }
    default:
      return { code: 'unreadable', file, message: `cannot be read: ${message}` }
  }
}

/** For a shell, so that the advice can be pasted. */
export const quote = (path: string): string =>
  /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
