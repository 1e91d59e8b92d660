import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PREFIX = 'oneknock-bench-'
/** The numbers that statfs gives to file systems in memory, on which nothing is durable. */
const IN_MEMORY = [0x01021994, 0x858458f6]

/** On a disk: a ledger in memory would be durable for nothing. */
export const scratchRoot = (): string =>
  IN_MEMORY.includes(statfsSync(tmpdir()).type)
    ? fileURLToPath(new URL('.', import.meta.url))
    : tmpdir()

/** Gone with the process at the latest. */
export function makeScratch(): string {
  const folder = mkdtempSync(join(scratchRoot(), PREFIX))
  process.once('exit', () => removeScratch(folder))
  return folder
}

/** What was written or removed there has reached the disk: who waits for it now waits for nobody else. */
export function settleDisk(): void {
  spawnSync('sync', ['-f', scratchRoot()])
}

export const removeScratch = (folder: string): void =>
  rmSync(folder, { recursive: true, force: true })
