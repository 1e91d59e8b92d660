import { basename } from 'node:path'
import type { IntentFiles } from '../../../server/src/hooks/routeros/intents.ts'

interface Inode {
  text: string
  /** What a power cut leaves of it. */
  durable: string
}

/** Passes a step of some file through: it may be the last one. */
export type Pass = <T>(step: () => T) => Promise<T>

/** One folder as a disk has it: what was not synced is lost in a power cut. */
export class FolderInMemory {
  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()

  names(): string[] {
    return [...this.#names.keys()]
  }

  powerCut(): void {
    this.#names = new Map(this.#durableNames)
    for (const inode of this.#names.values()) inode.text = inode.durable
  }

  files(pass: Pass): IntentFiles {
    const handleOf = (inode: Inode | undefined) => ({
      writeFile: (text: string) =>
        pass(() => {
          inode!.text = text
        }),
      sync: () => pass(() => this.#sync(inode)),
      close: () => pass(() => {}),
    })
    const files = {
      mkdir: () => pass(() => undefined),
      readdir: () => pass(() => this.names()),
      readFile: (path: string) => pass(() => this.#find(path).text),
      open: (path: string, flags: string) =>
        pass(() => handleOf(flags === 'r' ? undefined : this.#create(path))),
      rename: (from: string, to: string) =>
        pass(() => {
          this.#names.set(basename(to), this.#find(from))
          this.#names.delete(basename(from))
        }),
      unlink: (path: string) =>
        pass(() => {
          this.#find(path)
          this.#names.delete(basename(path))
        }),
    }
    return files as unknown as IntentFiles
  }

  #sync(inode: Inode | undefined): void {
    if (inode) inode.durable = inode.text
    else this.#durableNames = new Map(this.#names)
  }

  #create(path: string): Inode {
    const inode = this.#names.get(basename(path)) ?? { text: '', durable: '' }
    inode.text = ''
    this.#names.set(basename(path), inode)
    return inode
  }

  #find(path: string): Inode {
    const inode = this.#names.get(basename(path))
    if (!inode) throw Object.assign(new Error(`${path} is not there`), { code: 'ENOENT' })
    return inode
  }
}
