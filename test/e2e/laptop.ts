import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Namespace, Ran } from '../netns/namespace.ts'
import type { Enrolment } from './daemon.ts'

const CLIENT = fileURLToPath(new URL('../../client/dist/bin/oneknock.js', import.meta.url))

/** Somebody's machine: `oneknock` in the PATH, an ssh that knows hosts behind doors, and codes by command. */
export class Laptop {
  readonly folder = mkdtempSync(join(tmpdir(), 'oneknock-laptop-'))
  /** No terminal, unless a test gives one. */
  readonly env: Record<string, string> = {}
  readonly #place: Namespace

  constructor(place: Namespace) {
    this.#place = place
    const bin = join(this.folder, 'bin')
    mkdirSync(bin)
    const program = `#!/bin/sh\nexec "${process.execPath}" "${CLIENT}" "$@"\n`
    writeFileSync(join(bin, 'oneknock'), program, { mode: 0o755 })
    Object.assign(this.env, {
      PATH: `${bin}:${process.env.PATH}`,
      HOME: this.folder,
      XDG_CONFIG_HOME: join(this.folder, 'config'),
      XDG_RUNTIME_DIR: '',
      XDG_STATE_HOME: join(this.folder, 'state'),
      XDG_CACHE_HOME: join(this.folder, 'cache'),
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_SSH_COMMAND: `ssh -F ${join(this.folder, 'ssh_config')}`,
    })
  }

  /** What `-F` takes. */
  sshConfig(identity: string, ...blocks: readonly string[]): string {
    const path = join(this.folder, 'ssh_config')
    const common = [
      ...['User root', `IdentityFile ${identity}`, 'LogLevel ERROR', 'ConnectTimeout 10'],
      ...['StrictHostKeyChecking no', 'UserKnownHostsFile /dev/null'],
    ]
    writeFileSync(path, `${[...blocks, 'Host *', ...common].join('\n')}\n`)
    return path
  }

  async add(name: string, { invitation }: Enrolment, ...flags: readonly string[]): Promise<void> {
    const added = await this.run(['oneknock', 'add', '--name', name, ...flags], invitation)
    if (added.status !== 0) throw new Error(added.stderr)
  }

  /** A command that prints codes, and notes each time that it was asked for one. */
  codes(name: string, { secret }: Enrolment): string {
    return `echo x >> ${this.#asked(name)}; oathtool --totp -b ${secret}`
  }

  /** How many codes it gave. */
  given(name: string): number {
    return existsSync(this.#asked(name)) ? readFileSync(this.#asked(name)).length / 2 : 0
  }

  /** Runs a command until it ends, or until a test ends it. */
  start(command: readonly string[]): ChildProcess {
    const env = Object.entries(this.env).map(([name, value]) => `${name}=${value}`)
    return this.#place.spawn(['env', ...env, ...command], { stdio: 'pipe' })
  }

  run(command: readonly string[], input = ''): Promise<Ran> {
    const child = this.start(['setsid', '--wait', ...command])
    const said = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]!.setEncoding('utf8').on('data', text => {
        said[name] += text
      })
    }
    child.stdin!.on('error', () => {})
    child.stdin!.end(input)
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', status => resolve({ status: status ?? -1, ...said }))
    })
  }

  remove(): void {
    rmSync(this.folder, { recursive: true })
  }

  readonly #asked = (name: string): string => join(this.folder, `asked-${name}`)
}
