import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'

/** A folder for one test, gone after it. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'oneknock-config-'))
  folders.push(folder)
  return folder
}

const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

export function write(file: string, content: string | Uint8Array, mode = 0o600): string {
  writeFileSync(file, content)
  chmodSync(file, mode)
  return file
}
