import { join } from 'node:path'
import type { LedgerFiles, ListedFile } from './files.ts'

/** The ledger's files are numbered in the order in which they were opened. */
export interface NumberedFile extends ListedFile {
  readonly number: number
}

/** Eight digits sort as names for longer than any ledger lives; more are understood. */
export const fileName = (number: number): string => `${String(number).padStart(8, '0')}.jsonl`

export const filePath = (folder: string, number: number): string => join(folder, fileName(number))

const NAME = /^(\d{8,15})\.jsonl$/

/** The ledger's own files, oldest first. Whatever else lies there is not the ledger's. */
export async function numberedFiles(
  files: LedgerFiles,
  folder: string,
): Promise<readonly NumberedFile[]> {
  const listed = await files.list(folder)
  return listed
    .flatMap(file => {
      const digits = NAME.exec(file.name)?.[1]
      const number = Number(digits)
      return digits && fileName(number) === file.name ? [{ ...file, number }] : []
    })
    .sort((a, b) => a.number - b.number)
}
