import { link, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fail, ok, type Result } from '@oneknock/shared'
import type { LedgerFiles } from './files.ts'
import { filePath, numberedFiles } from './folder.ts'
import { type LedgerDamage, type LedgerError, unreadable } from './notes.ts'
import { recover } from './recover.ts'
import { scanFile } from './scan.ts'

/** What became of a damaged file. */
export interface SetAside {
  readonly file: string
  /** Where the file lies now, as it was found. */
  readonly aside: string
  /** What stays in its place: the groups before the damage. */
  readonly keptBytes: number
  readonly lostBytes: number
}

export interface RepairOptions {
  readonly folder: string
  readonly files: LedgerFiles
  readonly now: () => number
  /**
   * What comes behind the damage is not proven and will be forgotten: codes that were used may be
   * accepted again, grants and lockouts may be gone. Without this nothing is changed.
   */
  readonly acceptForgetting: boolean
}

export interface NotAccepted {
  readonly code: 'not-accepted'
  readonly damage: LedgerDamage
  readonly message: string
}

/**
 * Makes a ledger that refuses to open openable again, by setting aside what is damaged and keeping
 * what is proven before it. No byte is destroyed. The daemon must not be running.
 */
export async function repairLedger(
  options: RepairOptions,
): Promise<Result<readonly SetAside[], LedgerError | NotAccepted>> {
  const { folder, files, now, acceptForgetting } = options
  const ignore = () => {}
  const done: SetAside[] = []
  for (;;) {
    const found = await recover({ folder, files, restore: ignore, replay: ignore, report: ignore })
    if (found.ok) return ok(done)
    const damage = found.error
    if (damage.code !== 'ledger-damaged') return fail(damage)
    if (!acceptForgetting) return fail(notAccepted(damage))
    try {
      done.push(await setAside(await damagedFile(options, damage), files, now()))
    } catch (error) {
      return fail(unreadable(folder, error))
    }
  }
}

const notAccepted = (damage: LedgerDamage): NotAccepted => ({
  code: 'not-accepted',
  damage,
  message: `${damage.message}. Repairing forgets what was recorded from there on: used codes may be accepted again`,
})

/** Instead of a file that is missing: the newest one, whose own opening is torn. */
async function damagedFile(
  { folder, files }: RepairOptions,
  { file, wrong }: LedgerDamage,
): Promise<string> {
  if (wrong !== 'missing') return file
  const newest = (await numberedFiles(files, folder)).at(-1)!
  return filePath(folder, newest.number)
}

async function setAside(file: string, files: LedgerFiles, now: number): Promise<SetAside> {
  const bytes = await files.read(file)
  const keptBytes = provenBytes(bytes)
  const aside = `${file}.damaged-${now}`
  if (keptBytes === 0) {
    await rename(file, aside)
  } else {
    const proven = `${file}.proven`
    await writeDurably(proven, bytes.subarray(0, keptBytes))
    // At no moment is there a folder without this file, which would seem to end with the one before.
    await link(file, aside)
    await rename(proven, file)
  }
  await files.syncFolder(dirname(file))
  return { file, aside, keptBytes, lostBytes: bytes.length - keptBytes }
}

function provenBytes(bytes: Buffer): number {
  let end = 0
  for (const group of scanFile(bytes)) end = group.end
  return end
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'w', 0o600)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
