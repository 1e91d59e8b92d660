import { type Entry, formatFile, type Parts, parseFile } from './block.ts'
import { type Files, type Found, KeysFolder, UnfitFile } from './folder.ts'

export interface KeysFileParts {
  readonly path: string
  readonly files: Files
  /** The lines that let in whom these entries are for. */
  readonly linesFor: (entries: readonly Entry[]) => readonly string[]
}

type Edit = (entries: readonly Entry[]) => readonly Entry[]

/** Somebody else wrote the file each time between our reading and our writing: they must be at fault. */
const TRIES = 5

/**
 * The one writer of one authorized_keys file. What the file says is open is all it remembers, so a
 * change that failed has changed nothing. Changes that come while it writes wait, and are written at
 * once: each write costs an fsync, however many people knock.
 */
export class KeysFile {
  readonly #parts: KeysFileParts
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined

  constructor(parts: KeysFileParts) {
    this.#parts = parts
  }

  get path(): string {
    return this.#parts.path
  }

  async entries(): Promise<readonly Entry[]> {
    return this.#inFolder(async folder => this.#parse(await folder.read()).entries)
  }

  /** Before the first change: the file is fit, and what a killed writer left is gone. */
  async tidy(): Promise<void> {
    await this.#inFolder(async folder => {
      this.#parse(await folder.read())
      await folder.removeDraft()
    })
  }

  change(edit: Edit): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ edit, resolve, reject })
      this.#writing ??= this.#writeAll()
    })
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0)
      await this.#write(entries => batch.reduce((now, { edit }) => edit(now), entries)).then(
        () => {
          for (const { resolve } of batch) resolve()
        },
        error => {
          for (const { reject } of batch) reject(error)
        },
      )
    }
    this.#writing = undefined
  }

  #write(edit: Edit): Promise<void> {
    return this.#inFolder(async folder => {
      for (let tries = 0; tries < TRIES; tries++) {
        const found = await folder.read()
        const parts = this.#parse(found)
        const entries = edit(parts.entries)
        const text = formatFile({ ...parts, entries }, this.#parts.linesFor(entries))
        if (text === found.text) return
        await folder.draft(text, found.owner)
        // Programs that do not know of us edit this file; the later this is asked, the better.
        if ((await folder.read()).version === found.version) return folder.publish()
      }
      await folder.removeDraft()
      throw new UnfitFile(`${this.path} is being written by another program all the time`)
    })
  }

  #parse(found: Found): Parts {
    const parsed = parseFile(found.text)
    if (!parsed.ok) throw new UnfitFile(`${this.path}: ${parsed.error}`)
    return parsed.value
  }

  async #inFolder<T>(work: (folder: KeysFolder) => Promise<T>): Promise<T> {
    const folder = await KeysFolder.open(this.#parts.files, this.path)
    try {
      return await work(folder)
    } finally {
      await folder.close()
    }
  }
}

interface Waiting {
  readonly edit: Edit
  resolve(): void
  reject(error: unknown): void
}
