import { fail, ok, type Result } from '@oneknock/shared'
import type { LedgerFiles } from './files.ts'
import { filePath, type NumberedFile, numberedFiles } from './folder.ts'
import type { Line, Position } from './lines.ts'
import { damage, type LedgerError, type LedgerNote, unreadable } from './notes.ts'
import { type Ending, scanFile } from './scan.ts'
import { newestOpened } from './tip.ts'

export interface Recovery {
  readonly folder: string
  readonly files: LedgerFiles
  readonly restore: (state: unknown) => void
  readonly replay: (line: Line) => void
  readonly report: (note: LedgerNote) => void
}

export interface Recovered {
  /** Where the chain ends; `undefined` for a ledger that has not begun. */
  readonly last: Position | undefined
  /** What lay in the folder when it was read. */
  readonly seen: readonly NumberedFile[]
}

/**
 * Rebuilds the state from the newest file: its checkpoint and the lines behind it. Nothing on the
 * disk is changed: what is void is left out by the next checkpoint, which names where the chain goes
 * on from.
 */
export async function recover(recovery: Recovery): Promise<Result<Recovered, LedgerError>> {
  const { folder, files, report } = recovery
  try {
    await files.ensureFolder(folder)
    const seen = await numberedFiles(files, folder)
    const newest = await newestOpened(folder, files, seen, (path, bytes) =>
      report(skipped(path, bytes)),
    )
    if (!newest.ok) return newest
    if (!newest.value) return ok({ last: undefined, seen })
    const { number } = newest.value
    const path = filePath(folder, number)
    const { position, ending } = replayFile(recovery, number, await files.read(path))
    if (ending.kind === 'damaged') return fail(damage(path, ending.line, ending.wrong))
    if (ending.kind === 'torn') report(cut(path, ending))
    return ok({ last: position, seen })
  } catch (error) {
    return fail(unreadable(folder, error))
  }
}

function replayFile(
  { restore, replay }: Recovery,
  file: number,
  bytes: Buffer,
): { position: Position | undefined; ending: Ending } {
  let position: Position | undefined
  const groups = scanFile(bytes)
  for (;;) {
    const { done, value } = groups.next()
    if (done) return { position, ending: value }
    for (const line of value.lines) {
      if (line.opening) restore(line.opening.state)
      else replay(line)
    }
    const { seq, hash } = value.lines.at(-1)!
    position = { file, bytes: value.end, seq, hash }
  }
}

const cut = (file: string, { line, bytes }: Extract<Ending, { kind: 'torn' }>): LedgerNote => ({
  kind: 'cut',
  file,
  line,
  bytes,
  message: `${file}: cut from line ${line} on: ${bytes} bytes that a crash left unfinished; nobody was told of them`,
})

const skipped = (file: string, bytes: number): LedgerNote => ({
  kind: 'skipped',
  file,
  bytes,
  message: `${file}: skipped: a crash interrupted its opening (${bytes} bytes); the file before it counts`,
})
