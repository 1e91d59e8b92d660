import { basename, dirname, join } from 'node:path'
import type { LedgerFiles, WritableFile } from '../../../server/src/ledger/files.ts'

/** What the ledger can be about to do; `write` and `datasync` on the file of that path. */
export type Operation = keyof LedgerFiles | keyof WritableFile

/**
 * What happens instead: an errno makes the operation fail, a number makes a write take only so many
 * bytes, `crash` stops the machine right there.
 */
export type Fault = string | number | 'crash' | undefined

export type Interfere = (operation: Operation, path: string, index: number) => Fault

interface Inode {
  data: Buffer
  /** How much a power cut keeps for certain. */
  synced: number
  /** A sync failed: what was not synced by then never will be. */
  lost: boolean
}

/** A disk in memory that can fail, and be cut from its power: the twin of `systemFiles`. */
export class Disk implements LedgerFiles {
  readonly #entries: Map<string, Inode>
  /** What a power cut may bring back for a name: its states since the folder was synced. */
  readonly #unsynced = new Map<string, (Inode | undefined)[]>()
  readonly counts = new Map<Operation, number>()
  interfere: Interfere = () => undefined
  free = Number.MAX_SAFE_INTEGER
  /** How many turns of the loop an operation takes. */
  latency: () => number = () => 1
  #operations = 0
  #stopped = false
  #stop: () => void = () => {}
  /** Resolves when a fault has stopped the machine. */
  readonly stopped = new Promise<void>(resolve => {
    this.#stop = resolve
  })

  constructor(contents: ReadonlyMap<string, Buffer> = new Map()) {
    this.#entries = new Map(
      [...contents].map(([path, data]) => [path, { data, synced: data.length, lost: false }]),
    )
  }

  get isStopped(): boolean {
    return this.#stopped
  }

  contents(): Map<string, Buffer> {
    return new Map([...this.#entries].map(([path, { data }]) => [path, data]))
  }

  /**
   * The disk as it is found after the power came back: of every file the synced beginning and some
   * of the rest, of every name that was not synced one of its states.
   */
  afterPowerCut(choose: (choices: number) => number): Disk {
    const names = new Map<string, Inode | undefined>(this.#entries)
    for (const [path, states] of this.#unsynced) {
      const all = [...states, this.#entries.get(path)]
      names.set(path, all[choose(all.length)])
    }
    const kept = new Map<string, Buffer>()
    for (const [path, inode] of names) if (inode) kept.set(path, survivor(inode, choose))
    return new Disk(kept)
  }

  async ensureFolder(folder: string): Promise<void> {
    await this.#operate('ensureFolder', folder)
  }

  async list(folder: string) {
    await this.#operate('list', folder)
    return [...this.#entries]
      .filter(([path]) => dirname(path) === folder)
      .map(([path, { data }]) => ({ name: basename(path), bytes: data.length }))
  }

  async read(path: string): Promise<Buffer> {
    await this.#operate('read', path)
    const inode = this.#entries.get(path)
    if (!inode) throw errno('ENOENT')
    return inode.data
  }

  async create(path: string): Promise<WritableFile> {
    await this.#operate('create', path)
    if (this.#entries.has(path)) throw errno('EEXIST')
    const inode: Inode = { data: Buffer.alloc(0), synced: 0, lost: false }
    this.#rename(path, inode)
    return {
      write: async bytes => {
        const taken = await this.#operate('write', path, part => this.#put(inode, bytes, part))
        return this.#put(inode, bytes, taken)
      },
      datasync: async () => {
        await this.#operate('datasync', path).catch(error => {
          inode.lost = true
          throw error
        })
        if (!inode.lost) inode.synced = inode.data.length
      },
      close: async () => {
        await this.#operate('close', path)
      },
    }
  }

  async remove(path: string): Promise<void> {
    await this.#operate('remove', path)
    this.#rename(path, undefined)
  }

  async exists(path: string): Promise<boolean> {
    await this.#operate('exists', path)
    return this.#entries.has(path)
  }

  async syncFolder(folder: string): Promise<void> {
    await this.#operate('syncFolder', folder)
    for (const path of this.#unsynced.keys()) {
      if (dirname(path) === folder) this.#unsynced.delete(path)
    }
  }

  async freeBytes(folder: string): Promise<number> {
    await this.#operate('freeBytes', folder)
    return this.free
  }

  #put(inode: Inode, bytes: Uint8Array, taken: number | undefined): number {
    const part = bytes.subarray(0, taken)
    inode.data = Buffer.concat([inode.data, part])
    return part.length
  }

  #rename(path: string, inode: Inode | undefined): void {
    const states = this.#unsynced.get(path) ?? []
    this.#unsynced.set(path, [...states, this.#entries.get(path)])
    if (inode) this.#entries.set(path, inode)
    else this.#entries.delete(path)
  }

  async #operate(
    operation: Operation,
    path: string,
    partly: (bytes: number) => void = () => {},
  ): Promise<number | undefined> {
    for (let turns = this.latency(); turns > 0; turns--) {
      await new Promise(resolve => setImmediate(resolve))
    }
    if (this.#stopped) return new Promise(() => {})
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1)
    const fault = this.interfere(operation, path, this.#operations++)
    if (typeof fault === 'number') return fault
    if (fault === undefined) return undefined
    if (fault !== 'crash') throw errno(fault)
    partly(this.#operations * 37)
    this.#stopped = true
    this.#stop()
    return new Promise(() => {})
  }
}

const errno = (code: string): Error => Object.assign(new Error(`${code}: injected`), { code })

/** The smallest block that a disk loses. */
const BLOCK = 512

function survivor({ data, synced }: Inode, choose: (choices: number) => number): Buffer {
  const kept = Buffer.from(data.subarray(0, synced + choose(data.length - synced + 1)))
  // File systems may write the blocks of one group in any order.
  if (choose(4) === 0) {
    for (let start = Math.ceil(synced / BLOCK) * BLOCK; start < kept.length; start += BLOCK) {
      if (choose(3) === 0) kept.fill(0, start, Math.min(start + BLOCK, kept.length))
    }
  }
  return kept
}

/** A folder of its own for each test. */
export const FOLDER = '/state/ledger'
export const pathOf = (number: number): string =>
  join(FOLDER, `${String(number).padStart(8, '0')}.jsonl`)
