import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { askDaemon, type Request } from '../../server/src/control.ts'
import type { Endpoint, User } from '../../server/src/core/directory.ts'
import { formatUser } from '../../server/src/users/user.ts'
import { until } from '../server/kit.ts'

/** Starting reads every user's file and the ledger; the machine may be busy. */
const READY_MS = 30_000

export interface SiteOptions {
  /** The daemon as one file (`buildDaemon`). */
  readonly program: string
  /** All of the configuration behind `listen`, `public` and `state`. */
  readonly config: string | ((site: Site) => string)
  readonly people: readonly User[]
  /** Put before the command that starts the daemon. */
  readonly wrap?: readonly string[]
  /** Where the state folder is, if not beside the configuration. */
  readonly state?: string
}

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

/**
 * A real daemon on this machine's loopback, without root. Each has an address of its own, so ports
 * never clash with those of other tests.
 */
export class Site implements Endpoint {
  readonly folder = mkdtempSync(join(tmpdir(), 'oneknock-site-'))
  readonly host = `127.${randomInt(64, 127)}.${randomInt(256)}.${randomInt(1, 255)}`
  readonly port = 62201
  readonly state: string
  readonly #options: SiteOptions
  #child: ChildProcess | undefined
  /** When all that it said is heard, which may be a little later than that it ended. */
  #closed: Promise<unknown[]> | undefined
  /** What the present daemon has said. */
  log: LogLine[] = []
  stderr = ''

  constructor(options: SiteOptions) {
    this.#options = options
    this.state = options.state ?? join(this.folder, 'state')
    mkdirSync(join(this.folder, 'users'), { mode: 0o700 })
    mkdirSync(this.state, { recursive: true, mode: 0o700 })
    this.configure(options.config)
    for (const user of options.people) this.put(user)
  }

  get configFile(): string {
    return join(this.folder, 'oneknockd.toml')
  }

  get ledger(): string {
    return join(this.state, 'ledger')
  }

  get pid(): number {
    return this.#child!.pid!
  }

  get running(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null
  }

  configure(config: SiteOptions['config'], listen: readonly string[] = [this.address()]): void {
    const head = [
      `listen = ${JSON.stringify(listen)}`,
      `public = "${this.address()}"`,
      `state = "${this.state}"`,
    ]
    const text = typeof config === 'string' ? config : config(this)
    put(this.configFile, `${head.join('\n')}\n${text}`)
  }

  address(port = this.port): string {
    return `${this.host}:${port}`
  }

  put(user: User): void {
    put(this.#userFile(user.name), formatUser(user))
  }

  remove(name: string): void {
    rmSync(this.#userFile(name))
  }

  /** Starts the daemon, and does not wait for it to be ready. */
  spawn(): ChildProcess {
    const { program, wrap = [] } = this.#options
    const command = [...wrap, process.execPath, program, 'run', '--config', this.configFile]
    const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.#closed = once(child, 'close')
    this.log = []
    this.stderr = ''
    createInterface({ input: child.stdout }).on('line', line => this.log.push(JSON.parse(line)))
    child.stderr.on('data', chunk => {
      this.stderr += chunk
    })
    return child
  }

  /** Waits until the daemon is ready; rejects with what it said if it ends instead. */
  async ready(): Promise<void> {
    await until(
      () => this.running && !this.said('ready'),
      waiting => !waiting,
      READY_MS,
    )
    if (this.said('ready')) return
    await this.#closed
    throw new Error(`the daemon ended: ${this.stderr || this.lastWords()}`)
  }

  async start(): Promise<void> {
    this.spawn()
    await this.ready()
  }

  /** Ends the daemon, if it runs; its exit status, `null` if it was killed. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.running) this.#child!.kill(signal)
    await this.#closed
    return this.#child?.exitCode ?? null
  }

  signal(signal: NodeJS.Signals): void {
    this.#child!.kill(signal)
  }

  /** Asks over the administrator's socket; rejects if nobody answers, or with the daemon's own error. */
  async ask<T>(request: Request): Promise<T> {
    const answer = await askDaemon(this.state, request)
    if (answer === undefined) throw new Error('no daemon answers')
    return answer as T
  }

  said(message: string): LogLine | undefined {
    return this.log.find(({ msg }) => msg === message)
  }

  /** What went wrong, in its own words. */
  complaints(): LogLine[] {
    return this.log.filter(({ level }) => level >= 50)
  }

  lastWords(): string {
    return this.log
      .slice(-10)
      .map(line => JSON.stringify(line))
      .join('\n')
  }

  async destroy(): Promise<void> {
    await this.end('SIGKILL')
    rmSync(this.folder, { recursive: true })
  }

  #userFile(name: string): string {
    return join(this.folder, 'users', `${name}.toml`)
  }
}

/** Whole at any time, as editors and configuration managers do it. */
function put(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
