import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { Script } from 'node:vm'
import {
  checkPrivateFolder,
  isOwnFolder,
  readPrivateBytes,
  removeTemporaries,
  replacePrivate,
} from './private-file.ts'

export interface Bundle {
  readonly exports: unknown
  /** Keeps the code of all that has run by now, unless that is where it came from. */
  keep(): void
}

/**
 * Runs a CommonJS file, as `require` does, with what V8 compiled of it in an earlier run: to compile it
 * anew takes half of a knock. What is kept is code, and V8 looks only whether it is of its own version
 * and of a source of that length. So it is kept as profiles are, where nobody else can write; else it
 * is neither read nor written, and all works as well, only later.
 */
export function loadBundle(path: string, require: NodeJS.Require, folder = cacheFolder()): Bundle {
  const source = readFileSync(path, 'utf8')
  const kept = folder === undefined ? undefined : placeOf(path, folder)
  const cachedData = kept && read(kept)
  const options = { filename: path, ...(cachedData && { cachedData }) }
  const script = new Script(source, options)
  const module = { exports: {} }
  script.runInThisContext()(module.exports, require, module, path, dirname(path))
  return {
    exports: module.exports,
    keep() {
      const isKept = cachedData !== undefined && !script.cachedDataRejected
      if (kept && !isKept) write(kept, script.createCachedData())
    },
  }
}

/** `oneknock/` in the XDG cache folder; a relative XDG_CACHE_HOME does not count (XDG 0.8). */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const given = env.XDG_CACHE_HOME ?? ''
  try {
    return join(isAbsolute(given) ? given : join(homedir(), '.cache'), 'oneknock')
  } catch {
    // A user that the system does not know.
    return undefined
  }
}

interface Place {
  readonly folder: string
  readonly file: string
  /** What the file begins with: of which bundle the code is. */
  readonly head: Buffer
}

function placeOf(path: string, folder: string): Place {
  // npm gives every file the same time of modification; that of the last change nobody can set.
  const { ino, size, ctimeMs } = statSync(path)
  const head = Buffer.from(`${JSON.stringify([path, ino, size, ctimeMs])}\n`)
  // Another Node has another V8, and people change between them.
  return { folder, file: join(folder, `${basename(path)}.${process.version}`), head }
}

function read({ folder, file, head }: Place): Buffer | undefined {
  try {
    if (!checkPrivateFolder(folder).ok) return undefined
    const bytes = readPrivateBytes(file)
    if (!bytes.ok || !bytes.value?.subarray(0, head.length).equals(head)) return undefined
    return bytes.value.subarray(head.length)
  } catch {
    return undefined
  }
}

function write({ folder, file, head }: Place, code: Buffer): void {
  try {
    // `sudo -E` leaves the caller's: what root makes there, the caller could not use afterwards.
    if (!isOwnFolder(nearest(folder))) return
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (!checkPrivateFolder(folder).ok) return
    replacePrivate(file, Buffer.concat([head, code]))
    removeTemporaries(file)
  } catch {
    // A disk that is full, or cannot be written: the next run is as slow as this one.
  }
}

const nearest = (path: string): string =>
  statSync(path, { throwIfNoEntry: false }) ? path : nearest(dirname(path))
