import { letGo } from '../core/recorded.ts'
import type { LedgerFiles, WritableFile } from './files.ts'
import { filePath, type NumberedFile, numberedFiles } from './folder.ts'
import { type Draft, encodeGroup, GENESIS, type Head, type Position } from './lines.ts'
import { type Opening, writeOpening } from './opening.ts'
import type { Recovered } from './recover.ts'

export interface ChainOptions {
  readonly folder: string
  readonly files: LedgerFiles
  readonly maxFileBytes: number
  readonly recovered: Recovered
}

/** Another daemon writes this ledger: whatever this one would write now could contradict it. */
export class Overtaken extends Error {}

interface CurrentFile {
  readonly number: number
  readonly file: WritableFile
  bytes: number
  /** Where the next group goes to a new file; `undefined` until the checkpoint is durable. */
  fullAt: number | undefined
}

/**
 * The growing end of the chain: one file at a time, each opened exclusively and beginning with a
 * checkpoint. A file on which a write or a sync failed is let go of, since Linux may report its next
 * sync as good although pages were lost; the next file says how much of it counts.
 *
 * Two daemons on one folder cannot both go on. Who comes second creates the file behind the last
 * one and then looks whether anything has grown since it read; who came first writes and then looks
 * for that file, before anything is acknowledged. One of them sees the other.
 */
export class Chain {
  readonly #options: ChainOptions
  #last: Position | undefined
  #number: number
  /** What was read at start, until the first file of our own is durable. */
  #seen: readonly NumberedFile[] | undefined
  #current: CurrentFile | undefined

  constructor(options: ChainOptions) {
    const { last, seen } = options.recovered
    this.#options = options
    this.#last = last
    this.#seen = seen
    this.#number = seen.at(-1)?.number ?? 0
  }

  get head(): Head {
    const { seq, hash } = this.#last ?? GENESIS
    return { seq, hash }
  }

  /** The file that was opened last. */
  get path(): string {
    return filePath(this.#options.folder, this.#number)
  }

  /** There is no file to write to, or it has had its share. */
  get wantsFile(): boolean {
    if (!this.#current) return true
    const { bytes, fullAt } = this.#current
    return fullAt !== undefined && bytes >= fullAt
  }

  /** The next group begins the file. */
  get atStart(): boolean {
    return this.#current !== undefined && this.#current.fullAt === undefined
  }

  /** Goes over to the next file. If that fails, the one before stays as it is. */
  async createFile(): Promise<void> {
    const { folder, files } = this.#options
    const number = this.#number + 1
    // A power cut must not keep this name and lose the one before: that would look like damage.
    await files.syncFolder(folder)
    const file = await files.create(filePath(folder, number)).catch(error => {
      throw error.code === 'EEXIST' ? new Overtaken() : error
    })
    await this.close()
    this.#number = number
    this.#current = { number, file, bytes: 0, fullAt: undefined }
    if (!this.#seen) return
    try {
      await this.#checkUnchanged(this.#seen)
    } catch (error) {
      await this.#abandon()
      throw error
    }
  }

  /**
   * Makes a group durable, behind a checkpoint if the file begins with it, and says how many bytes
   * were written. The checkpoint is taken now: creating the file took a while, in which whoever
   * waited for the group before has drawn conclusions from it. What happens while it is being written
   * is not in it, and waits for the next group.
   */
  async append(drafts: readonly Draft[], now: number, state: () => unknown): Promise<number> {
    const current = this.#current!
    let group: ReturnType<typeof encodeGroup>
    let bytes: number
    try {
      const { atStart } = this
      const opening: Opening = atStart
        ? await this.#open(current.file, now, state(), drafts.length === 0)
        : { bytes: 0, head: this.head, rest: NOTHING }
      group = encodeGroup(opening.head, drafts, atStart ? 1 : 0)
      bytes = opening.bytes + group.bytes.length
      await writeAll(current.file, Buffer.concat([opening.rest, group.bytes]))
      await this.#makeDurable(current.file)
      if (atStart) current.fullAt = opening.bytes + this.#options.maxFileBytes
      // From here on the file stays, whatever comes: who has overtaken us may have read it.
      if (await this.#isOvertaken()) throw new Overtaken()
    } catch (error) {
      await this.#abandon()
      throw error
    }
    this.#seen = undefined
    current.bytes += bytes
    this.#last = { file: current.number, bytes: current.bytes, ...group.head }
    return bytes
  }

  async close(): Promise<void> {
    const current = this.#current
    this.#current = undefined
    // Everything that counts in it has been synced.
    await current?.file.close().catch(() => {})
  }

  async #open(file: WritableFile, at: number, state: unknown, alone: boolean): Promise<Opening> {
    try {
      return await writeOpening(this.#last, at, state, alone, chunk => writeAll(file, chunk))
    } finally {
      letGo(state)
    }
  }

  async #makeDurable(file: WritableFile): Promise<void> {
    const { folder, files } = this.#options
    await file.datasync()
    if (this.atStart) await files.syncFolder(folder)
  }

  #isOvertaken(): Promise<boolean> {
    const { folder, files } = this.#options
    return files.exists(filePath(folder, this.#number + 1))
  }

  /** Takes away a file that holds nothing acknowledged, so that a full disk is not littered. */
  async #abandon(): Promise<void> {
    const { atStart, path } = this
    await this.close()
    if (!atStart) return
    await this.#options.files.remove(path).then(
      () => this.#number--,
      () => {},
    )
  }

  async #checkUnchanged(seen: readonly NumberedFile[]): Promise<void> {
    const { folder, files } = this.#options
    const present = await numberedFiles(files, folder)
    const others = present.filter(({ number }) => number !== this.#number)
    const sizes = new Map(seen.map(({ number, bytes }) => [number, bytes]))
    // Old files may be archived at any time; none may appear or grow.
    if (others.some(({ number, bytes }) => sizes.get(number) !== bytes)) throw new Overtaken()
  }
}

const NOTHING = Buffer.alloc(0)

async function writeAll(file: WritableFile, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const written = await file.write(bytes.subarray(offset))
    if (written <= 0) throw new Error('the disk took nothing')
    offset += written
  }
}
