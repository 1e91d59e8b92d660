import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'

export interface Command {
  /** The program and its arguments, as they are: no shell reads them. */
  readonly argv: readonly string[]
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>
  /** Milliseconds. */
  readonly timeLimit: number
}

export interface Outcome {
  readonly end: End
  /** The last of what it wrote, on one line, marked if something is missing. */
  readonly stdout: string
  readonly stderr: string
}

export type End =
  | { readonly kind: 'exited'; readonly status: number }
  | { readonly kind: 'signalled'; readonly signal: string }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'not-started'; readonly reason: string }

/** Bytes kept of each stream: an error's last words, and still a line that people read. */
const OUTPUT_KEPT = 1_024
/** Milliseconds between SIGTERM and SIGKILL: time to clean up, not to go on. */
const TERM_GRACE = 2_000
/** Milliseconds for the kernel to end what was killed. Longer: it is not ours to kill, or it hangs in a driver. */
const KILL_GRACE = 1_000
/** Milliseconds that output may lag behind the exit: a process left in the background holds it open for ever. */
const OUTPUT_GRACE = 200
const POLL_INTERVAL = 20

/**
 * Runs one command in a process group of its own. A group that outlasts its time is ended as a
 * whole; what a command that has finished leaves running in the background is its own affair, but
 * its output is read no longer.
 */
export async function runCommand({ argv, env, timeLimit }: Command): Promise<Outcome> {
  let child: ReturnType<typeof start>
  try {
    child = start(argv, env)
  } catch (error) {
    return {
      end: { kind: 'not-started', reason: (error as Error).message },
      stdout: '',
      stderr: '',
    }
  }
  const [stdout, stderr] = [new Tail(child.stdout), new Tail(child.stderr)]
  const closed = new Promise<true>(resolve => child.once('close', () => resolve(true)))
  const ended = new Promise<End>(resolve => {
    child.on('error', ({ message }) => resolve({ kind: 'not-started', reason: message }))
    child.once('exit', (status, signal) =>
      resolve(signal ? { kind: 'signalled', signal } : { kind: 'exited', status: status ?? 0 }),
    )
  })
  let end = await within(timeLimit, ended)
  if (!end) {
    await endGroup(child.pid!)
    await within(KILL_GRACE, ended)
    end = { kind: 'timeout' }
  }
  if (end.kind !== 'not-started') await within(OUTPUT_GRACE, closed)
  return { end, stdout: stdout.end(), stderr: stderr.end() }
}

function start([file = '', ...args]: readonly string[], env: Command['env']) {
  return spawn(file, args, { cwd: '/', env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
}

async function endGroup(pid: number): Promise<void> {
  const deadline = performance.now() + TERM_GRACE
  signalGroup(pid, 'SIGTERM')
  while (signalGroup(pid, 0)) {
    if (performance.now() >= deadline) return void signalGroup(pid, 'SIGKILL')
    await delay(POLL_INTERVAL)
  }
}

/** Whether the group still has processes. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | undefined> {
  const cancel = new AbortController()
  const late = delay(milliseconds, undefined, { signal: cancel.signal }).catch(() => undefined)
  try {
    return await Promise.race([work, late])
  } finally {
    cancel.abort()
  }
}

/** The last bytes of a stream. */
class Tail {
  readonly #stream: Readable | undefined
  #kept = Buffer.alloc(0)
  #cut = false

  /** There is no stream if descriptors ran out before the child was started. */
  constructor(stream: Readable | undefined) {
    this.#stream = stream
    stream?.on('error', () => {})
    stream?.on('data', (chunk: Buffer) => {
      const all = Buffer.concat([this.#kept, chunk])
      this.#cut ||= all.length > OUTPUT_KEPT
      this.#kept = all.subarray(-OUTPUT_KEPT)
    })
  }

  end(): string {
    this.#stream?.destroy()
    // One line, and nothing in it that a terminal would obey.
    const line = this.#kept
      .toString()
      .replace(/[\s\x00-\x1f\x7f-\x9f]+/g, ' ')
      .trim()
    return this.#cut ? `[…] ${line}` : line
  }
}
