import {
  closeSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Why a file was not written. Whatever stood there still does. */
export class StoreError extends Error {
  readonly code: 'exists' | 'absent' | 'busy' | 'failed'

  constructor(code: StoreError['code'], message: string) {
    super(message)
    this.name = 'StoreError'
    this.code = code
  }
}

/** Makes a new file, whole or not at all, and never in place of another. */
export async function createFile(file: string, text: string, mode = 0o600): Promise<void> {
  await withDraft(file, async draft => {
    draft.write(text, mode)
    draft.publish()
  })
}

/** Puts an edited text in place of the old one. `edit` reads the file, so that it is not read too early. */
export async function replaceFile(file: string, edit: () => Promise<string>): Promise<void> {
  await withDraft(file, async draft => {
    draft.write(await edit(), 0o600)
    draft.replace()
  })
}

export async function removeFile(file: string): Promise<void> {
  await withDraft(file, async () => unlinkSync(file))
}

/**
 * A draft is where a new text is written, and a lock too: while it stands, no other command changes
 * that file. So nobody who is removed comes back with an edit that was under way.
 */
class Draft {
  readonly #file: string
  readonly #path: string
  readonly #descriptor: number
  #standing = true

  constructor(file: string, path: string) {
    this.#file = file
    this.#path = path
    this.#descriptor = openSync(path, 'wx', 0o600)
  }

  write(text: string, mode: number): void {
    writeFileSync(this.#descriptor, text)
    // Exactly this mode, whatever the umask says.
    fchmodSync(this.#descriptor, mode)
    fsyncSync(this.#descriptor)
  }

  /** A link, since a rename would silently replace what somebody else made meanwhile. */
  publish(): void {
    linkSync(this.#path, this.#file)
  }

  replace(): void {
    renameSync(this.#path, this.#file)
    // What stands there from now on is another command's.
    this.#standing = false
  }

  end(): void {
    closeSync(this.#descriptor)
    if (this.#standing) unlinkSync(this.#path)
  }
}

async function withDraft(file: string, work: (draft: Draft) => Promise<void>): Promise<void> {
  const path = join(dirname(file), `.${basename(file)}.new`)
  const draft = begin(file, path)
  try {
    await work(draft)
    syncFolder(dirname(file))
  } catch (error) {
    throw explain(file, error)
  } finally {
    draft.end()
  }
}

/** Without this a power cut could bring the folder's old state back. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function begin(file: string, path: string): Draft {
  try {
    return new Draft(file, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw explain(file, error)
    const message = `${file}: another command is changing it; if none is, one was cut short: remove ${path}`
    throw new StoreError('busy', message)
  }
}

/** Errors of the file system in words; any other is its thrower's. */
function explain(file: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error
  const { code, message } = error as NodeJS.ErrnoException
  switch (code) {
    case 'EEXIST':
      return new StoreError('exists', `${file} exists already; nothing was changed`)
    case 'ENOENT':
      return new StoreError('absent', `${file} does not exist`)
    case 'EACCES':
    case 'EPERM':
      return new StoreError(
        'failed',
        `${file} cannot be written by uid ${process.geteuid?.()}; use sudo`,
      )
    default:
      return new StoreError('failed', `${file} cannot be written (${message}); nothing was changed`)
  }
}
