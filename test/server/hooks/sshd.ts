import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { vi } from 'vitest'

/** The machine may be busy. */
const PATIENCE = { timeout: 15_000, interval: 50 }

export interface Answer {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A real sshd on loopback, with keys of its own and nothing of the host's configuration. */
export class Sshd {
  readonly port: number
  readonly #folder: string
  readonly #config: readonly string[]
  readonly #clients = new Set<ChildProcess>()
  #child: ChildProcess | undefined

  private constructor(folder: string, port: number, config: readonly string[]) {
    this.#folder = folder
    this.port = port
    this.#config = config
  }

  static async make(folder: string, config: readonly string[]): Promise<Sshd> {
    makeKey(folder, 'host')
    const sshd = new Sshd(folder, await freePort(), config)
    mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
    return sshd
  }

  async start(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    const settings = [
      `Port ${this.port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${join(this.#folder, 'host')}`,
      'PidFile none',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'LogLevel DEBUG1',
      ...this.#config,
    ]
    writeFileSync(join(this.#folder, 'sshd_config'), `${settings.join('\n')}\n`)
    // What it says is of this start.
    rmSync(this.#log, { force: true })
    const args = ['-D', '-f', join(this.#folder, 'sshd_config'), '-E', this.#log]
    this.#child = spawn('/usr/sbin/sshd', args, { stdio: 'ignore', env: environment })
    await vi.waitFor(() => banner(this.port), PATIENCE)
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.kill('SIGKILL')
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null) return
    child.kill()
    await once(child, 'exit')
  }

  get #log(): string {
    return join(this.#folder, 'log')
  }

  log(): string {
    return readFileSync(this.#log, 'utf8')
  }

  /** A client with one key that connects from that loopback address. */
  client(key: string, from: string, ...args: string[]): ChildProcess {
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes']
    const always = [
      ...['-F', 'none', '-i', key, '-p', `${this.port}`, '-b', from],
      ...['IdentitiesOnly=yes', 'LogLevel=INFO', ...options].flatMap(option => ['-o', option]),
    ]
    const child = spawn('ssh', [...always, ...args])
    this.#clients.add(child)
    child.once('exit', () => this.#clients.delete(child))
    return child
  }

  async ask(key: string, from: string, ...args: string[]): Promise<Answer> {
    const child = this.client(key, from, ...args)
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
    child.stdin?.end()
    const [status] = await once(child, 'close')
    return { status, stdout: stdout(), stderr: stderr() }
  }
}

/** The public half, as it stands in a user's file. */
export function makeKey(folder: string, name: string): string {
  const file = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file])
  return readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' ')
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function banner(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'data')
  } finally {
    socket.destroy()
  }
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = ''
  stream?.on('data', chunk => {
    text += chunk
  })
  return () => text
}
