import { constants, existsSync } from 'node:fs'
import { mkdir, open, readdir, readFile, stat, statfs, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * All that the ledger asks of a disk. Every method rejects with the system's error, whose `code` is
 * an errno name.
 */
export interface LedgerFiles {
  /** Makes the folder if it is not there; never the folder above it. */
  ensureFolder(folder: string): Promise<void>
  list(folder: string): Promise<readonly ListedFile[]>
  read(path: string): Promise<Buffer>
  /** Fails with EEXIST if the file is there already: of two that try, one gets it. */
  create(path: string): Promise<WritableFile>
  remove(path: string): Promise<void>
  exists(path: string): Promise<boolean>
  /** Makes the names of created and removed files durable. */
  syncFolder(folder: string): Promise<void>
  freeBytes(folder: string): Promise<number>
}

export interface ListedFile {
  readonly name: string
  readonly bytes: number
}

export interface WritableFile {
  /** Behind what is there. Says how many bytes were taken, which may be fewer. */
  write(bytes: Uint8Array): Promise<number>
  datasync(): Promise<void>
  close(): Promise<void>
}

const EXCLUSIVE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
/**
 * Where a system has it, a write ends when its data are durable, as with fdatasync (open(2), O_DSYNC):
 * every group is one write, and one way to the thread pool and back is saved. Else it is asked for.
 */
const SYNCHRONOUS: number | undefined = constants.O_DSYNC

export const systemFiles: LedgerFiles = {
  async ensureFolder(folder) {
    // A missing state folder may be a disk that is not mounted: an empty ledger made in its place
    // would have forgotten every used code.
    const made = await mkdir(folder, { mode: 0o700 }).then(
      () => true,
      error => error.code !== 'EEXIST' && Promise.reject(error),
    )
    if (made) await syncFolder(dirname(folder))
  },

  async list(folder) {
    const entries = await readdir(folder, { withFileTypes: true })
    const names = entries.filter(entry => entry.isFile()).map(entry => entry.name)
    const listed = await Promise.all(
      names.map(async name => ({ name, bytes: await sizeOf(join(folder, name)) })),
    )
    return listed.filter((file): file is ListedFile => file.bytes !== undefined)
  },

  read: path => readFile(path),

  async create(path) {
    const handle = await open(path, EXCLUSIVE | (SYNCHRONOUS ?? 0), 0o600)
    return {
      write: async bytes => (await handle.write(bytes)).bytesWritten,
      datasync: async () => {
        if (SYNCHRONOUS === undefined) await handle.datasync()
      },
      close: () => handle.close(),
    }
  },

  remove: path => unlink(path),
  // Asked once for each group: the kernel answers a name that is not there from memory, in a
  // microsecond, where the thread pool would take fifty.
  exists: async path => existsSync(path),
  syncFolder,

  async freeBytes(folder) {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  },
}

/** `undefined` if an administrator has just deleted it. */
const sizeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ size }) => size,
    error => (error.code === 'ENOENT' ? undefined : Promise.reject(error)),
  )

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
