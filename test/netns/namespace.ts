import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Starts the process that a namespace lives by. */
export async function holdNamespace(): Promise<ChildProcess> {
  const holder = spawn('unshare', ['--net', '--', 'sh', '-c', 'echo up; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  return holder
}

/**
 * A network namespace without a name, which lives as long as a process that waits for the end of
 * its input: when the test's process ends, however it does, nothing of it is left.
 */
export class Namespace {
  readonly #holder: ChildProcess
  readonly #children = new Set<ChildProcess>()

  constructor(holder: ChildProcess) {
    this.#holder = holder
  }

  /** Of a process within: `nsenter --net=/proc/PID/ns/net`, `ip link set … netns PID`. */
  get pid(): number {
    return this.#holder.pid!
  }

  /** What to put before a command to run it here. */
  get enter(): readonly [string, ...string[]] {
    return ['nsenter', `--net=/proc/${this.pid}/ns/net`, '--']
  }

  /** Runs a command to its end; rejects, with what it said, unless its status is 0. */
  async run(...command: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.tryRun(command)
    if (status === 0) return stdout
    throw new Error(`${command.join(' ')} ended with ${status}: ${stderr || stdout}`)
  }

  /** Runs a command to its end, whatever that is. */
  tryRun(command: readonly string[], input = ''): Promise<Ran> {
    const [program, ...args] = [...this.enter, ...command]
    return new Promise(resolve => {
      const options = { maxBuffer: 64 * 1024 * 1024 }
      const child = execFile(program!, args, options, (error, stdout, stderr) => {
        const status = typeof error?.code === 'number' ? error.code : error ? -1 : 0
        resolve({ status, stdout, stderr: stderr || (error?.message ?? '') })
      })
      child.stdin!.on('error', () => {})
      child.stdin!.end(input)
    })
  }

  /** Loads a ruleset, as `nft -f`. */
  async nft(ruleset: string): Promise<string> {
    const { status, stdout, stderr } = await this.tryRun(['nft', '-f', '-'], ruleset)
    if (status === 0) return stdout
    throw new Error(`nft refused: ${stderr}`)
  }

  /** Starts a command that ends with the namespace at the latest. */
  spawn(command: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [program, ...args] = [...this.enter, ...command]
    const child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'inherit'], ...options })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  async destroy(): Promise<void> {
    const ending = [...this.#children, this.#holder].filter(
      child => child.exitCode === null && child.signalCode === null,
    )
    await Promise.all(
      ending.map(child => {
        child.kill('SIGKILL')
        return once(child, 'exit')
      }),
    )
  }
}

/** A cable between two namespaces. */
export async function cable(
  [a, nameA]: readonly [Namespace, string],
  [b, nameB]: readonly [Namespace, string],
): Promise<void> {
  const peer = ['peer', 'name', nameB, 'netns', String(b.pid)]
  await a.run('ip', 'link', 'add', nameA, 'type', 'veth', ...peer)
  await Promise.all([
    a.run('ip', 'link', 'set', nameA, 'up'),
    b.run('ip', 'link', 'set', nameB, 'up'),
  ])
}
