import { randomBytes } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { listenAt, whoListens } from './socket-path.ts'

/*
 * What one process has at a time, until it lets go or is gone, however it went. Node has no flock, and
 * a file that is taken from a dead owner can be taken from a living one as well. So the lock is a
 * folder with its owner's socket in it, listened on and named as none was before. A folder takes a
 * place only where none is, or an empty one: of several, one gets it. And whoever clears away what a
 * dead owner left takes away a name that no other will ever have.
 */

export interface Lock {
  release(): void
}

const NAME_BYTES = 4
/** Nothing else is ever removed from a lock's folder. */
const NAME = /^[0-9a-f]{8}$/

/** The longest path that taking it needs, for the kernel has a limit. */
export const longestPath = (lock: string): string => join(lock, '0'.repeat(2 * NAME_BYTES))

/** The lock, or `undefined` if somebody has it; rejects where it cannot be known who. */
export async function takeLock(path: string): Promise<Lock | undefined> {
  if (await isHeld(path)) return undefined
  const name = randomBytes(NAME_BYTES).toString('hex')
  const own = join(dirname(path), `.${name}`)
  const server = createServer(socket => socket.destroy())
  try {
    mkdirSync(own, { mode: 0o700 })
    await listenAt(server, join(own, name))
    while (!put(own, path)) {
      if (await isHeld(path)) return abandon(server, own)
    }
  } catch (error) {
    abandon(server, own)
    throw error
  }
  return {
    release: () => {
      rmSync(join(path, name), { force: true })
      // Somebody else's by now, perhaps: then it stays.
      removeEmpty(path)
      server.close()
    },
  }
}

function abandon(server: Server, own: string): undefined {
  server.close()
  rmSync(own, { recursive: true, force: true })
}

/** Looks whether a living process has it, and clears away what dead ones left. */
async function isHeld(path: string): Promise<boolean> {
  for (const name of namesIn(path)) {
    const socket = join(path, name)
    const found = await whoListens(socket)
    if (found === 'somebody') return true
    if (found !== 'nobody') throw found
    const left = lstatSync(socket, { throwIfNoEntry: false })
    if (left && !(left.isSocket() && NAME.test(name))) throw new Error(`${socket} is in the way`)
    rmSync(socket, { force: true })
  }
  return false
}

const namesIn = (folder: string): string[] => unless(['ENOENT'], () => readdirSync(folder)) ?? []

/** False if there is one that is not empty. */
const put = (own: string, path: string): boolean =>
  unless(TAKEN, () => {
    renameSync(own, path)
    return true
  }) ?? false

const removeEmpty = (folder: string): void => unless(['ENOENT', ...TAKEN], () => rmdirSync(folder))

/** POSIX lets a system choose how it says that a folder is not empty. */
const TAKEN = ['ENOTEMPTY', 'EEXIST']

function unless<T>(codes: readonly string[], act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
