import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ran } from '../netns/namespace.ts'
import { UNSHARE } from '../server/commands/cli.ts'
import { until } from '../server/kit.ts'
import { HERE } from './daemon.ts'

/** The real programs that RADIUS is spoken with: FreeRADIUS, its clients, and PAM. */

const there = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0

export const hasRadius = ['freeradius', 'radclient', 'radtest', 'pamtester', 'oathtool'].every(
  there,
)

export interface RadClientAnswer {
  readonly kind: 'accept' | 'reject' | 'none'
  /** Of the answer. */
  readonly attributes: Readonly<Record<string, string>>
  readonly output: string
}

export interface RadClientOptions {
  readonly timeoutS?: number
  readonly tries?: number
  /** `auth`, or another kind of request. */
  readonly kind?: string
}

/** What radclient is answered; it checks both authenticators of the answer itself. */
export async function radclient(
  server: string,
  secret: string,
  attributes: readonly string[],
  { timeoutS = 10, tries = 1, kind = 'auth' }: RadClientOptions = {},
): Promise<RadClientAnswer> {
  const args = ['-x', '-t', `${timeoutS}`, '-r', `${tries}`, server, kind, secret]
  const { stdout, stderr } = await HERE.tryRun(['radclient', ...args], attributes.join('\n'))
  return answerIn(`${stdout}${stderr}`)
}

/** `radtest USER PASSWORD SERVER PORT SECRET`, and `-t chap`. */
export async function radtest(
  server: string,
  secret: string,
  user: string,
  password: string,
  ...how: readonly string[]
): Promise<RadClientAnswer> {
  const args = [...how, user, password, server, '0', secret]
  const { stdout, stderr } = await HERE.tryRun(['radtest', ...args])
  return answerIn(`${stdout}${stderr}`)
}

function answerIn(output: string): RadClientAnswer {
  const [, name, lines = ''] =
    /Received Access-(Accept|Reject) [^\n]*\n((?:\t[^\n]*\n)*)/.exec(output) ?? []
  const attributes = [...lines.matchAll(/^\t(\S+) = "?(.*?)"?$/gm)].map(([, key, value]) => [
    key,
    value,
  ])
  const kind = name === 'Accept' ? 'accept' : name === 'Reject' ? 'reject' : 'none'
  return { kind, attributes: Object.fromEntries(attributes), output }
}

export interface FreeRadiusParts {
  readonly port: number
  /** The `client` block. */
  readonly clients: string
  /** The `post-auth` block. */
  readonly postAuth: string
  /** Its `users` file. */
  readonly users: string
}

/** FreeRADIUS with a configuration of its own, on a loopback port. */
export class FreeRadius {
  readonly #folder: string
  readonly #child: ChildProcess
  output = ''

  private constructor(folder: string) {
    this.#folder = folder
    this.#child = spawn('freeradius', ['-d', folder, '-fxx', '-l', 'stdout'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const collect = (chunk: Buffer) => {
      this.output += String(chunk)
    }
    this.#child.stdout!.on('data', collect)
    this.#child.stderr!.on('data', collect)
  }

  static async start(parts: FreeRadiusParts): Promise<FreeRadius> {
    const folder = mkdtempSync(join(tmpdir(), 'oneknock-freeradius-'))
    writeFileSync(join(folder, 'radiusd.conf'), configuration(folder, parts))
    writeFileSync(join(folder, 'users'), parts.users)
    const server = new FreeRadius(folder)
    await until(
      () => ({ output: server.output.slice(-500), ended: server.#child.exitCode }),
      ({ output, ended }) => output.includes('Ready to process requests') || ended !== null,
      15_000,
    )
    if (server.#child.exitCode !== null) throw new Error(server.output)
    return server
  }

  /** How many Access-Requests it has had, retransmissions too. */
  get requests(): number {
    return this.output.split('Received Access-Request').length - 1
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGKILL')
      await once(this.#child, 'exit')
    }
    rmSync(this.#folder, { recursive: true })
  }
}

const configuration = (folder: string, { port, clients, postAuth }: FreeRadiusParts): string => `
prefix = /usr
libdir = /usr/lib/freeradius
raddbdir = ${folder}
logdir = ${folder}
run_dir = ${folder}
db_dir = ${folder}
security {
  reject_delay = 1
}
thread pool {
  start_servers = 1
  max_servers = 2
  min_spare_servers = 1
  max_spare_servers = 1
}
${clients}
modules {
  files {
    usersfile = ${folder}/users
  }
  pap {
  }
}
server default {
  listen {
    type = auth
    ipaddr = 127.0.0.1
    port = ${port}
  }
  authorize {
    files
    pap
  }
  authenticate {
    Auth-Type PAP {
      pap
    }
  }
  ${postAuth}
}
`

/**
 * `pamtester` with these files as /etc/pam.d, in a mount namespace of its own: nothing stays behind.
 */
export async function pamtester(
  files: Readonly<Record<string, string>>,
  [service, user, password]: readonly [string, string, string],
  from: string,
): Promise<Ran> {
  const folder = mkdtempSync(join(tmpdir(), 'oneknock-pam-'))
  mkdirSync(join(folder, 'pam.d'))
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text.replaceAll('FOLDER', folder), { mode: 0o600 })
  }
  const script = 'mount --bind "$0" /etc/pam.d && exec "$@"'
  const test = ['pamtester', '-I', `rhost=${from}`, service, user, 'authenticate']
  const command = [...UNSHARE, 'sh', '-c', script, join(folder, 'pam.d'), ...test]
  try {
    return await HERE.tryRun(command, `${password}\n`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
