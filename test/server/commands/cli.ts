import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The program as it is installed; `npm test` builds it first. */
export const MAIN = fileURLToPath(new URL('../../../server/dist/main.js', import.meta.url))

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** A real process of `oneknockd`, in an environment that says nothing by itself. */
export const oneknockd = (args: readonly string[], options: CliOptions = {}): Promise<Outcome> =>
  run([process.execPath, MAIN, ...args], options)

/** Any program; for a shell that prepares the ground first, see the callers. */
export function run(
  [program, ...args]: readonly string[],
  { env = {}, cwd }: CliOptions = {},
): Promise<Outcome> {
  const child = spawn(program!, args, {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', chunk => (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', chunk => (stderr += chunk))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', status => resolve({ status, stdout, stderr }))
  })
}

/** Where a test needs something that is not there it is skipped; in CI it fails instead. */
export const lacking = (there: boolean): boolean => !there && process.env.CI !== 'true'

export const isRoot = process.geteuid?.() === 0

/** How to get a namespace of our own to mount something in. */
export const UNSHARE = isRoot ? ['unshare', '-m'] : ['unshare', '-Urm']

export const canMount =
  spawnSync(UNSHARE[0]!, [...UNSHARE.slice(1), 'mount', '-t', 'tmpfs', 'x', '/mnt']).status === 0
