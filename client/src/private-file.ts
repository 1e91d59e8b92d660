import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fail, ok, type Result } from '@oneknock/shared'

/** Why a file or folder is not to be used: one line with the command that mends it. */
export interface Insecure {
  readonly code: 'insecure'
  readonly message: string
}

/** What group and others may do with a secret: nothing. */
const OTHERS = 0o077

/** The text, `undefined` if there is no such file. Throws what the system throws for all else. */
export function readPrivate(path: string): Result<string | undefined, Insecure> {
  const bytes = readPrivateBytes(path)
  return bytes.ok ? ok(bytes.value?.toString('utf8')) : bytes
}

/** The same, as it is. */
export function readPrivateBytes(path: string): Result<Buffer | undefined, Insecure> {
  const fd = unlessAbsent(() => openSync(path, 'r'))
  if (fd === undefined) return ok(undefined)
  try {
    // Of what was opened, not of what the name shows: nobody can swap it in between.
    const isPrivate = checkPrivate(path, fstatSync(fd), '600')
    return isPrivate.ok ? ok(readFileSync(fd)) : isPrivate
  } finally {
    closeSync(fd)
  }
}

export function checkPrivateFolder(path: string): Result<void, Insecure> {
  const stats = unlessAbsent(() => statSync(path))
  return stats ? checkPrivate(path, stats, '700') : ok(undefined)
}

/** Whole or not at all, durably, and never over another file: `false` if there is one. */
export function writeNewPrivate(path: string, text: string): boolean {
  try {
    // Unlike a rename, a link never takes the place of what is there.
    putPrivate(path, text, linkSync)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Puts a content in the place of what is there, whole or not at all, durably. */
export const replacePrivate = (path: string, content: string | Uint8Array): void =>
  putPrivate(path, content, renameSync)

/** What somebody who was killed while they wrote has left: it may hold what is to be sealed. */
export function removeTemporaries(path: string): void {
  const folder = dirname(path)
  const left = readdirSync(folder).filter(
    name => name.startsWith(`${basename(path)}.`) && name.endsWith('.tmp'),
  )
  for (const name of left) unlessAbsent(() => unlinkSync(join(folder, name)))
  syncFolder(path)
}

export function removeDurably(path: string): void {
  unlinkSync(path)
  syncFolder(path)
}

/** Whether it is there, and belongs to whoever runs this. */
export function isOwnFolder(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats?.isDirectory() === true && stats.uid === (process.getuid?.() ?? stats.uid)
}

/** Whoever can write a profile runs commands as its user; whoever can read one knocks as them. */
function checkPrivate(path: string, stats: Stats, mode: string): Result<void, Insecure> {
  const uid = process.getuid?.()
  // A platform without owners and modes.
  if (uid === undefined) return ok(undefined)
  if (stats.uid !== uid) {
    const message = `${path} belongs to another user (uid ${stats.uid}); if it is yours: chown ${uid} ${path}`
    return fail({ code: 'insecure', message })
  }
  if ((stats.mode & OTHERS) === 0) return ok(undefined)
  return fail({
    code: 'insecure',
    message: `${path} is open to other users: chmod ${mode} ${path}`,
  })
}

function putPrivate(
  path: string,
  content: string | Uint8Array,
  put: (from: string, to: string) => void,
): void {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`
  try {
    withFile(openSync(temporary, 'wx', 0o600), fd => {
      writeFileSync(fd, content)
      fsyncSync(fd)
    })
    put(temporary, path)
  } finally {
    unlessAbsent(() => unlinkSync(temporary))
  }
  syncFolder(path)
}

const syncFolder = (path: string): void => withFile(openSync(dirname(path), 'r'), fsyncSync)

function withFile(fd: number, use: (fd: number) => void): void {
  try {
    use(fd)
  } finally {
    closeSync(fd)
  }
}

function unlessAbsent<T>(use: () => T): T | undefined {
  try {
    return use()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
