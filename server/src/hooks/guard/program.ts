import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

/** Where Debian and others keep what users without root do not have in their PATH. */
export const SYSTEM_FOLDERS = [
  '/usr/local/sbin',
  '/usr/sbin',
  '/sbin',
  '/usr/local/bin',
  '/usr/bin',
  '/bin',
]

/** The first executable of this name in PATH, then in the system's folders. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), ...SYSTEM_FOLDERS]
  return folders
    .filter(folder => folder.startsWith('/'))
    .map(folder => join(folder, name))
    .find(isExecutable)
}

/**
 * All that a child of ours needs to know. No HOME: `nft -i` would write every command into a
 * history there. Messages in one language, since some are read.
 */
export const CHILD_ENV: NodeJS.ProcessEnv = { PATH: SYSTEM_FOLDERS.join(':'), LC_ALL: 'C' }

/** How a program ended that was run to its end. */
export type Ran =
  | {
      readonly kind: 'ended'
      readonly status: number
      readonly stdout: string
      readonly stderr: string
    }
  | { readonly kind: 'timeout' }
  /** It could not be started, or somebody killed it. */
  | { readonly kind: 'gone'; readonly message: string }

/** Runs a program with this input. It is killed when the limit is reached. */
export function run(
  program: string,
  args: readonly string[],
  limitMs: number,
  input = '',
): Promise<Ran> {
  return new Promise(resolve => {
    const options = {
      env: CHILD_ENV,
      cwd: '/',
      timeout: limitMs,
      killSignal: 'SIGKILL',
      maxBuffer: Number.POSITIVE_INFINITY,
    } as const
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error?.killed) resolve({ kind: 'timeout' })
      else if (error && typeof error.code !== 'number')
        resolve({ kind: 'gone', message: error.message })
      else resolve({ kind: 'ended', status: Number(error?.code ?? 0), stdout, stderr })
    })
    // It may end without having read all: its status tells.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
