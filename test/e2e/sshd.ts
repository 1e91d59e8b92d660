import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Namespace } from '../netns/namespace.ts'
import { until } from '../server/kit.ts'
import type { Place } from './daemon.ts'

/** OpenSSH's own daemon and client, with keys made for the test. */
export class Sshd {
  readonly #folder = mkdtempSync(join(tmpdir(), 'oneknock-sshd-'))
  readonly #host: Place
  #process: ChildProcess | undefined

  constructor(host: Place) {
    this.#host = host
  }

  /** The file with the key that it lets in. */
  get identity(): string {
    return join(this.#folder, 'user')
  }

  /** `own` are lines of its configuration. */
  async start(port: number, ...own: readonly string[]): Promise<void> {
    const file = (name: string) => join(this.#folder, name)
    for (const name of ['host', 'user']) {
      await this.#run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', file(name))
    }
    writeFileSync(file('authorized_keys'), readFileSync(file('user.pub')))
    const settings = [
      `Port ${port}`,
      `HostKey ${file('host')}`,
      `AuthorizedKeysFile ${file('authorized_keys')}`,
      `PidFile ${file('pid')}`,
      'PermitRootLogin prohibit-password',
      'StrictModes no',
      'UsePAM no',
      'Subsystem sftp internal-sftp',
      ...own,
    ]
    writeFileSync(file('sshd_config'), `${settings.join('\n')}\n`)
    mkdirSync('/run/sshd', { recursive: true })
    const command = ['/usr/sbin/sshd', '-D', '-f', file('sshd_config'), '-E', file('log')]
    this.#process = this.#host.spawn(command)
    await until(
      () => this.#run('ss', '-Hltn', `sport = :${port}`),
      listening => listening !== '',
    )
  }

  /** Logs in from a host, to a shell that echoes lines. */
  login(from: Namespace, address: string, port: number): SshSession {
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR']
    const child = from.spawn([
      'ssh',
      ...['-F', 'none', '-T', '-i', this.identity, '-p', String(port)],
      ...options.flatMap(option => ['-o', option]),
      ...[`root@${address}`, 'exec cat'],
    ])
    return new SshSession(child)
  }

  remove(): void {
    this.#process?.kill()
    rmSync(this.#folder, { recursive: true })
  }

  async #run(...command: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.#host.tryRun(command)
    if (status !== 0) throw new Error(`${command[0]} ended with ${status}: ${stderr}`)
    return stdout
  }
}

/** How long a login and a line may take, on a busy machine. */
const PATIENCE_MS = 15_000

export class SshSession {
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly #over = new AbortController()

  constructor(child: ChildProcess) {
    this.#child = child
    this.#lines = createInterface({ input: child.stdout! })
    child.once('exit', () => this.#over.abort())
    child.stdin!.on('error', () => {})
  }

  /** Whether a line comes back through the session; rejects once none can. */
  async speaks(line: string): Promise<boolean> {
    const signal = AbortSignal.any([this.#over.signal, AbortSignal.timeout(PATIENCE_MS)])
    const answer = once(this.#lines, 'line', { signal })
    this.#child.stdin!.write(`${line}\n`)
    const [back] = await answer
    return back === line
  }

  /** The status that ssh ends with, once it does. */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
    return this.#child.exitCode
  }

  end(): void {
    this.#child.kill()
  }
}
