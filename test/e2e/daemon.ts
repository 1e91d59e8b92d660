import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseTotpSecret, totpCode, totpStep } from '@oneknock/shared'
import { build } from 'esbuild'
import type { Namespace, Ran } from '../netns/namespace.ts'
import { type GuardBackend, NOBODY, unprivileged } from '../netns/rights.ts'
import { until } from '../server/kit.ts'

const CLIENT = fileURLToPath(new URL('../../client/dist/bin/oneknock.js', import.meta.url))

/** How long a start may take, on a busy machine. */
const READY_MS = 30_000

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

/** Where programs run: a namespace of the lab, or this machine's loopback. */
export type Place = Pick<Namespace, 'tryRun' | 'spawn'>

/** Without namespaces, and as whoever runs the tests. */
export const HERE: Place = {
  tryRun([program, ...args], input = '') {
    return new Promise(resolve => {
      const child = execFile(program!, args, (error, stdout, stderr) => {
        const status = typeof error?.code === 'number' ? error.code : error ? -1 : 0
        resolve({ status, stdout, stderr })
      })
      child.stdin!.on('error', () => {})
      child.stdin!.end(input)
    })
  },
  spawn: ([program, ...args], options = {}) => spawn(program!, args, options),
}

export interface Enrolment {
  readonly user: string
  readonly invitation: string
  readonly secret: string
}

/** The daemon as its unit would run it: in a namespace without root and with what its guard needs, or here. */
export class Daemon {
  readonly folder: string
  readonly output: string[] = []
  readonly #place: Place
  readonly #program: readonly string[]
  #process: ChildProcess | undefined

  constructor(
    place: Place,
    program: string,
    config: (folder: string) => string,
    guard: GuardBackend = 'nftables',
  ) {
    const prefix = place === HERE ? [] : unprivileged(guard)
    this.#place = place
    this.#program = [...prefix, process.execPath, program]
    this.folder = mkdtempSync(join(tmpdir(), 'oneknock-e2e-'))
    for (const name of ['users', 'state']) mkdirSync(join(this.folder, name), { mode: 0o700 })
    writeFileSync(this.configFile, config(this.folder), { mode: 0o600 })
    for (const name of place === HERE ? [] : ['', 'users', 'state', 'oneknockd.toml']) {
      chownSync(join(this.folder, name), NOBODY, NOBODY)
    }
  }

  get configFile(): string {
    return join(this.folder, 'oneknockd.toml')
  }

  /** Runs a command of the administrator, as the daemon's user. */
  command(...args: readonly string[]): Promise<Ran> {
    return this.#place.tryRun([...this.#program, ...args, '--config', this.configFile])
  }

  async enrol(user: string, services: string): Promise<Enrolment> {
    const added = await this.command('user', 'add', user, '--services', services, '--json')
    if (added.status !== 0) throw new Error(`user add: ${added.stderr}`)
    const { invitation, otpauth } = JSON.parse(added.stdout)
    return { user, invitation, secret: new URL(otpauth).searchParams.get('secret')! }
  }

  async start(): Promise<void> {
    const command = [...this.#program, 'run', '--config', this.configFile]
    const child = this.#place.spawn(command, { stdio: 'pipe' })
    this.#process = child
    const ended = once(child, 'close')
    this.output.length = 0
    const collect = (chunk: Buffer) => this.output.push(String(chunk))
    child.stdout!.on('data', collect)
    child.stderr!.on('data', collect)
    await until(
      () => ({ text: this.output.join(''), ended: child.exitCode }),
      ({ text, ended }) => text.includes('"msg":"ready"') || ended !== null,
      READY_MS,
    )
    if (child.exitCode === null) return
    // Why it did may come a little later than that it did.
    await ended
    throw new Error(`the daemon ended: ${this.output.join('')}`)
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
  readonly #place: Place
  readonly #folder = mkdtempSync(join(tmpdir(), 'oneknock-e2e-'))

  constructor(place: Place) {
    this.#place = place
  }

  async add({ user, invitation }: Enrolment): Promise<void> {
    const added = await this.run(['add', '--name', user], invitation)
    if (added.status !== 0) throw new Error(`add: ${added.stderr}`)
  }

  /** Knocks as that user, with the code of now; what `--json` says, and the exit status. */
  async knock(
    { user, secret }: Enrolment,
    ...args: readonly string[]
  ): Promise<{ status: number; said: Record<string, unknown>; stderr: string }> {
    const code = totpCode(parseTotpSecret(secret)!, totpStep(Date.now()))
    const otp = args.includes('--otp') ? [] : ['--otp', code]
    const ran = await this.run(['knock', user, '--json', ...otp, ...args])
    const lines = ran.stdout.trim().split('\n')
    return { status: ran.status, said: JSON.parse(lines.at(-1) || '{}'), stderr: ran.stderr }
  }

  async close({ user }: Enrolment): Promise<void> {
    const closed = await this.run(['close', user])
    if (closed.status !== 0) throw new Error(`close: ${closed.stderr}`)
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true })
  }

  /** Runs a command of the client, behind another program such as `faketime` if need be. */
  run(args: readonly string[], input?: string, before: readonly string[] = []): Promise<Ran> {
    const home = [
      `XDG_CONFIG_HOME=${this.#folder}`,
      `XDG_STATE_HOME=${this.#folder}/state`,
      `XDG_CACHE_HOME=${this.#folder}/cache`,
      'XDG_RUNTIME_DIR=',
    ]
    const environment = [...before, 'env', ...home, 'NO_COLOR=1']
    return this.#place.tryRun([...environment, process.execPath, CLIENT, ...args], input)
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
