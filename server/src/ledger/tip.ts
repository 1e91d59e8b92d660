import { fail, ok, type Result } from '@oneknock/shared'
import type { LedgerFiles } from './files.ts'
import { filePath, type NumberedFile } from './folder.ts'
import { damage, type LedgerDamage } from './notes.ts'
import { scanFile } from './scan.ts'

/**
 * The newest file that holds anything. A crash can cut the opening of a file short; nothing was
 * acknowledged in it then, and the file before it is the newest that counts. It has to be there:
 * without it the state would be an older one, and codes used since would be forgotten.
 */
export async function newestOpened(
  folder: string,
  files: LedgerFiles,
  present: readonly NumberedFile[],
  onSkipped: (path: string, bytes: number) => void,
): Promise<Result<NumberedFile | undefined, LedgerDamage>> {
  for (let number = present.at(-1)?.number ?? 0; number > 0; number--) {
    const path = filePath(folder, number)
    const file = present.find(other => other.number === number)
    if (!file) return fail(damage(path, 0, 'missing'))
    const bytes = await files.read(path)
    const first = scanFile(bytes).next()
    if (!first.done || first.value.kind !== 'torn') return ok(file)
    onSkipped(path, bytes.length)
  }
  return ok(undefined)
}
