import { type ChildProcess, execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseTotpSecret, totpCode, totpStep } from '@oneknock/shared'
import { build } from 'esbuild'
import type { Namespace, Ran } from '../netns/namespace.ts'
import { until } from '../server/kit.ts'

/** nobody and nogroup, and nothing but the right to manage the network. */
const NOBODY = 65534
const UNPRIVILEGED = [
  'setpriv',
  ...[`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs'],
  ...['--inh-caps=-all,+net_admin', '--ambient-caps=-all,+net_admin'],
  ...['--bounding-set=-all,+net_admin', '--'],
]
const CLIENT = fileURLToPath(new URL('../../client/dist/bin/oneknock.js', import.meta.url))

/** The daemon's own sources as one file that another user may read, wherever the checkout is. */
export async function buildDaemon(): Promise<{ path: string; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'oneknock-e2e-'))
  chmodSync(folder, 0o755)
  const path = join(folder, 'dist', 'oneknockd.mjs')
  await build({
    entryPoints: [fileURLToPath(new URL('../../server/src/main.ts', import.meta.url))],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
  })
  // The program reads its own version from the folder above it.
  writeFileSync(join(folder, 'package.json'), '{ "name": "oneknockd", "version": "0.0.0" }')
  return { path, remove: () => rmSync(folder, { recursive: true }) }
}

export interface Enrolment {
  readonly user: string
  readonly invitation: string
  readonly secret: string
}

/** The daemon as a unit of its own would run it: in a namespace, without root, with one capability. */
export class Daemon {
  readonly folder: string
  readonly output: string[] = []
  readonly #host: Namespace
  readonly #program: string
  #process: ChildProcess | undefined

  constructor(host: Namespace, program: string, config: (folder: string) => string) {
    this.#host = host
    this.#program = program
    this.folder = mkdtempSync(join(tmpdir(), 'oneknock-e2e-'))
    for (const name of ['users', 'state']) mkdirSync(join(this.folder, name), { mode: 0o700 })
    writeFileSync(this.configFile, config(this.folder), { mode: 0o600 })
    for (const name of ['', 'users', 'state', 'oneknockd.toml']) {
      chownSync(join(this.folder, name), NOBODY, NOBODY)
    }
  }

  get configFile(): string {
    return join(this.folder, 'oneknockd.toml')
  }

  /** Runs a command of the administrator, as the daemon's user. */
  command(...args: readonly string[]): Promise<Ran> {
    const command = [...UNPRIVILEGED, process.execPath, this.#program, ...args]
    return this.#host.tryRun([...command, '--config', this.configFile])
  }

  async enrol(user: string, services: string): Promise<Enrolment> {
    const added = await this.command('user', 'add', user, '--services', services, '--json')
    if (added.status !== 0) throw new Error(`user add: ${added.stderr}`)
    const { invitation, otpauth } = JSON.parse(added.stdout)
    return { user, invitation, secret: new URL(otpauth).searchParams.get('secret')! }
  }

  async start(): Promise<void> {
    const command = [...UNPRIVILEGED, process.execPath, this.#program, 'run']
    const child = this.#host.spawn([...command, '--config', this.configFile], { stdio: 'pipe' })
    this.#process = child
    this.output.length = 0
    const collect = (chunk: Buffer) => this.output.push(String(chunk))
    child.stdout!.on('data', collect)
    child.stderr!.on('data', collect)
    await until(
      () => ({ text: this.output.join(''), ended: child.exitCode }),
      ({ text, ended }) => text.includes('"msg":"ready"') || ended !== null,
      15_000,
    )
    if (child.exitCode !== null) throw new Error(`the daemon ended: ${this.output.join('')}`)
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return null
    child.kill(signal)
    const [status] = await once(child, 'exit')
    return status
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL')
    rmSync(this.folder, { recursive: true })
  }
}

/** The client's own command, on a host of the lab. */
export class Client {
  readonly #host: Namespace
  readonly #folder = mkdtempSync(join(tmpdir(), 'oneknock-e2e-'))

  constructor(host: Namespace) {
    this.#host = host
  }

  async add({ user, invitation }: Enrolment): Promise<void> {
    const added = await this.#run(['add', '--name', user], invitation)
    if (added.status !== 0) throw new Error(`add: ${added.stderr}`)
  }

  /** Knocks as that user, with the code of now; what `--json` says, and the exit status. */
  async knock(
    { user, secret }: Enrolment,
    ...args: readonly string[]
  ): Promise<{ status: number; said: Record<string, unknown>; stderr: string }> {
    const code = totpCode(parseTotpSecret(secret)!, totpStep(Date.now()))
    const otp = args.includes('--otp') ? [] : ['--otp', code]
    const ran = await this.#run(['knock', user, '--json', ...otp, ...args])
    const lines = ran.stdout.trim().split('\n')
    return { status: ran.status, said: JSON.parse(lines.at(-1) || '{}'), stderr: ran.stderr }
  }

  async close({ user }: Enrolment): Promise<void> {
    const closed = await this.#run(['close', user])
    if (closed.status !== 0) throw new Error(`close: ${closed.stderr}`)
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true })
  }

  #run(args: readonly string[], input?: string): Promise<Ran> {
    const environment = ['env', `XDG_CONFIG_HOME=${this.#folder}`, 'NO_COLOR=1']
    return this.#host.tryRun([...environment, process.execPath, CLIENT, ...args], input)
  }
}

/** What a real authenticator shows. */
export function oathtool(secret: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('oathtool', ['--totp', '-b', secret], (error, stdout) =>
      error ? reject(error) : resolve(stdout.trim()),
    )
  })
}
