import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** A TypeScript file of this folder as a program that Node runs, also as another user. */
export async function bundle(name: string): Promise<{ path: string; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'okn-'))
  chmodSync(folder, 0o755)
  const path = join(folder, name.replace(/\.ts$/, '.mjs'))
  await build({
    entryPoints: [fileURLToPath(new URL(name, import.meta.url))],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
  })
  return { path, remove: () => rmSync(folder, { recursive: true }) }
}
