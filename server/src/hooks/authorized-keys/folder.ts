import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** What of `node:fs/promises` is used: a test lets the process die between any two of them. */
export type Files = Pick<typeof import('node:fs/promises'), 'open' | 'rename' | 'unlink'>

/** A file as it was found. */
export interface Found {
  readonly text: string
  readonly owner: Owner
  /** Tells whether somebody else has written it since. */
  readonly version: string
}

export interface Owner {
  readonly uid: number
  readonly gid: number
  readonly mode: number
}

/** The message says what is wrong with the file, and what to do. */
export class UnfitFile extends Error {}

/** Thousands of keys; a file beyond it is no such file. */
const MOST_BYTES = 4_194_304
const OTHERS_WRITE = 0o022
const PERMISSIONS = 0o7777

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants

/**
 * The folder of one file, held open while it is worked in. Names are looked up in the folder that
 * was checked, not in its path: its owner, whom root must not trust, could swap the path meanwhile.
 */
export class KeysFolder {
  readonly #files: Files
  readonly #handle: FileHandle
  readonly #path: string
  readonly #file: string
  readonly #draft: string
  readonly #owner: Owner

  private constructor(files: Files, handle: FileHandle, path: string, owner: Owner) {
    this.#files = files
    this.#handle = handle
    this.#path = path
    this.#owner = owner
    const folder = process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : dirname(path)
    this.#file = join(folder, basename(path))
    this.#draft = join(folder, `.${basename(path)}.oneknock`)
  }

  /** `path` is the file's. */
  static async open(files: Files, path: string): Promise<KeysFolder> {
    const folder = dirname(path)
    const handle = await files.open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).catch(error => {
      throw explain(folder, error)
    })
    try {
      const owner = await handle.stat()
      if ((owner.mode & OTHERS_WRITE) !== 0) {
        throw new UnfitFile(`others can write in ${folder}; run: chmod go-w ${folder}`)
      }
      return new KeysFolder(files, handle, path, owner)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  close(): Promise<void> {
    return this.#handle.close()
  }

  /** A file that is not there yet is empty, and will be the folder's owner's. */
  async read(): Promise<Found> {
    const handle = await this.#files
      .open(this.#file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
      .catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw explain(this.#path, error)
      })
    if (!handle) {
      const { uid, gid, mode } = this.#owner
      // sshd reads the file as the account, which may look into the folder or not.
      return { text: '', owner: { uid, gid, mode: 0o600 | (mode & 0o044) }, version: '' }
    }
    try {
      const stats = await handle.stat({ bigint: true })
      const owner = {
        uid: Number(stats.uid),
        gid: Number(stats.gid),
        mode: Number(stats.mode) & PERMISSIONS,
      }
      this.#check(stats.isFile(), owner, Number(stats.size))
      const { ino, size, mtimeNs, ctimeNs } = stats
      const text = await handle.readFile('latin1')
      return { text, owner, version: [ino, size, mtimeNs, ctimeNs].join(' ') }
    } finally {
      await handle.close()
    }
  }

  /** The whole new text, owned as the old one, durable; not yet in its place. */
  async draft(text: string, owner: Owner): Promise<void> {
    await this.removeDraft()
    const handle = await this.#files.open(this.#draft, 'wx', 0o600).catch(error => {
      throw explain(this.#path, error)
    })
    try {
      await handle.writeFile(text, 'latin1')
      const made = await handle.stat()
      if (made.uid !== owner.uid || made.gid !== owner.gid) {
        await handle.chown(owner.uid, owner.gid).catch(() => {
          throw new UnfitFile(
            `${this.#path} belongs to uid ${owner.uid}, gid ${owner.gid}, and uid ${process.geteuid?.()} cannot keep it so; run the daemon as root or as that account`,
          )
        })
      }
      await handle.chmod(owner.mode)
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  /** The draft takes the file's place at once; a power cut does not bring the old one back. */
  async publish(): Promise<void> {
    await this.#files.rename(this.#draft, this.#file)
    await this.#handle.sync()
  }

  /** What a writer that was killed left behind. */
  async removeDraft(): Promise<void> {
    await this.#files.unlink(this.#draft).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw explain(this.#path, error)
    })
  }

  #check(isFile: boolean, { uid, mode }: Owner, size: number): void {
    const path = this.#path
    if (!isFile) throw new UnfitFile(`${path} is not a regular file`)
    if (uid !== 0 && uid !== process.geteuid?.() && uid !== this.#owner.uid) {
      throw new UnfitFile(
        `${path} belongs to uid ${uid}, but its folder does not; give both to one account`,
      )
    }
    if ((mode & OTHERS_WRITE) !== 0) {
      throw new UnfitFile(`others can write ${path}; run: chmod go-w ${path}`)
    }
    if (size > MOST_BYTES) throw new UnfitFile(`${path} has ${size} bytes; this cannot be it`)
  }
}

function explain(path: string, error: NodeJS.ErrnoException): Error {
  switch (error.code) {
    case 'ENOENT':
      return new UnfitFile(`${path} does not exist; make it, owned by the account, mode 700`)
    case 'ELOOP':
    case 'ENOTDIR':
      return new UnfitFile(`${path} is a symbolic link or below one; name the real path`)
    case 'EACCES':
    case 'EPERM':
      return new UnfitFile(
        `${path} is not open to uid ${process.geteuid?.()}; run the daemon as root or as the account`,
      )
    default:
      return new UnfitFile(`${path}: ${error.message}`)
  }
}
