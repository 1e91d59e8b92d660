import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'

/**
 * Linux's files in memory: what is written there reaches no disk, and no call waits for one. A
 * container has its own, though the rest of it be read-only; a unit keeps it under PrivateDevices.
 */
export const MEMORY = '/dev/shm'

/** open(2) has it, Node does not: the same bit on each kind of processor that Node runs on. */
const TMPFILE = 0o20_000_000 | constants.O_DIRECTORY
/**
 * The file has no name at any time, and with O_EXCL nobody can give it one: to see who is in, one
 * would have to open it through /proc, and whoever may do that may read this process's memory as well.
 */
const NAMELESS = constants.O_RDWR | constants.O_EXCL | TMPFILE
const OWNER_ONLY = 0o600

const ZEROS = Buffer.alloc(64 * 1024)

/**
 * A file for what another program prints, of a size that is settled before. nft does not look whether
 * its writes succeed: in a folder that is full it ends with 0, and if space comes back meanwhile, a piece
 * is missing in the middle of a text that ends as it should. So the file is filled first: memory that
 * it has cannot be refused. All is there if it was not needed to its end.
 */
export class NamelessFile {
  readonly descriptor: number
  readonly #size: number

  private constructor(descriptor: number, size: number) {
    this.descriptor = descriptor
    this.#size = size
  }

  /** With room for at least as many bytes; `undefined` where that cannot be had. */
  static open(folder: string, room: number): NamelessFile | undefined {
    const size = Math.ceil(room / ZEROS.length) * ZEROS.length
    let descriptor: number
    try {
      descriptor = openSync(folder, NAMELESS, OWNER_ONLY)
    } catch {
      return undefined
    }
    if (fill(descriptor, size)) return new NamelessFile(descriptor, size)
    closeSync(descriptor)
    return undefined
  }

  /** The text that was written, unless there may have been more. */
  read(): string | undefined {
    const bytes = Buffer.allocUnsafe(this.#size)
    if (readSync(this.descriptor, bytes, 0, this.#size, 0) < this.#size) return undefined
    const end = bytes.indexOf(0)
    return end < 0 ? undefined : bytes.toString('utf8', 0, end)
  }

  close(): void {
    closeSync(this.descriptor)
  }
}

/** At given places, so that whoever is handed the descriptor begins at the first byte. */
function fill(descriptor: number, size: number): boolean {
  try {
    for (let at = 0; at < size; at += ZEROS.length) {
      if (writeSync(descriptor, ZEROS, 0, ZEROS.length, at) < ZEROS.length) return false
    }
    return true
  } catch {
    return false
  }
}
