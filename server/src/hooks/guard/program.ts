import { type ChildProcess, spawn } from 'node:child_process'
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
 * All that a child of ours needs to know. Messages in one language, since some are read. A home where no
 * file can be: `nft -i` would write every command into a history there, without a HOME into one in the
 * root folder, and each child would read all of it back: 29 MB were seen to take a second and a half.
 */
export const CHILD_ENV: NodeJS.ProcessEnv = {
  PATH: SYSTEM_FOLDERS.join(':'),
  LC_ALL: 'C',
  HOME: '/dev/null',
}

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

/**
 * Runs a program with this input. It is killed when the limit is reached. What it prints comes back,
 * unless there is a descriptor for it to go to.
 */
export function run(
  program: string,
  args: readonly string[],
  limitMs: number,
  input = '',
  output: number | 'pipe' = 'pipe',
): Promise<Ran> {
  return new Promise(resolve => {
    const child = start(program, args, limitMs, output)
    if (typeof child === 'string') return resolve({ kind: 'gone', message: child })
    const printed = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.setEncoding('utf8').on('data', text => {
        printed[stream] += text
      })
    }
    child.once('error', ({ message }) => resolve({ kind: 'gone', message }))
    child.once('exit', () => {
      if (child.killed) resolve({ kind: 'timeout' })
    })
    child.once('close', (status, signal) => {
      if (status !== null) resolve({ kind: 'ended', status, ...printed })
      else resolve({ kind: 'gone', message: `it was ended by ${signal}` })
    })
    // It may end without having read all: its status tells.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

/** Or why it could not be: Node throws for some reasons, such as too long an argument, and tells of others. */
function start(
  program: string,
  args: readonly string[],
  limitMs: number,
  output: number | 'pipe',
): ChildProcess | string {
  try {
    return spawn(program, args, {
      env: CHILD_ENV,
      cwd: '/',
      timeout: limitMs,
      killSignal: 'SIGKILL',
      stdio: ['pipe', output, 'pipe'],
    })
  } catch (error) {
    return (error as Error).message
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
