import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseTotpSecret, totpCode, totpStep } from '@oneknock/shared'
import { askDaemon } from '../../../server/src/control.ts'
import { MAIN, type Outcome, oneknockd } from '../commands/cli.ts'
import { write } from '../config/scratch.ts'
import { until } from '../kit.ts'
import { freeUdpPort, Knocker } from '../knocker.ts'

/** What `user add --json` prints. */
export interface Enrolled {
  readonly user: string
  readonly device: string
  readonly device_key: string
  readonly otpauth: string
  readonly invitation: string
  readonly recovery_codes: readonly string[]
}

/**
 * A real daemon on loopback, whose gate stands before a service that says what it hears, and the
 * administrator's commands beside it. Nothing needs root.
 */
export class Gateway {
  readonly folder = mkdtempSync(join(tmpdir(), 'oneknock-admin-'))
  readonly config = join(this.folder, 'oneknockd.toml')
  readonly state = join(this.folder, 'state')
  readonly users = join(this.folder, 'users')
  readonly gatePort: number
  output = ''
  readonly #service: Server
  readonly #knockers: Knocker[] = []
  #people = 0
  readonly #started: ChildProcess[] = []

  private constructor(service: Server, gatePort: number) {
    this.#service = service
    this.gatePort = gatePort
  }

  /** `more` goes before the services of the configuration. */
  static async make(more = ''): Promise<Gateway> {
    const service = createServer(socket => {
      socket.on('error', () => {})
      socket.pipe(socket)
    }).listen(0, '127.0.0.1')
    await once(service, 'listening')
    const gateway = new Gateway(service, await freeTcpPort())
    for (const folder of [gateway.users, gateway.state]) mkdirSync(folder, { mode: 0o700 })
    write(gateway.config, await gateway.#settings(more))
    return gateway
  }

  /** One of the administrator's commands. */
  run(...args: readonly string[]): Promise<Outcome> {
    return oneknockd(['--config', this.config, ...args])
  }

  /** One that must succeed; what it prints as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: each test knows what it asked for.
  async json(...args: readonly string[]): Promise<any> {
    const { status, stdout, stderr } = await this.run(...args, '--json')
    if (status !== 0) throw new Error(`${args.join(' ')}: ${status} ${stderr}`)
    return JSON.parse(stdout)
  }

  add(user: string): Promise<Enrolled> {
    return this.json('user', 'add', user, '--services', 'web')
  }

  /** Somebody of whose codes none is used and who is in nowhere, whatever an earlier try left. */
  somebody(): Promise<Enrolled> {
    return this.add(`user-${++this.#people}`)
  }

  /** Ends what is open. */
  async putAllOut(): Promise<void> {
    const grants = (await askDaemon(this.state, { command: 'grants' })) as { grant: string }[]
    for (const { grant } of grants) await askDaemon(this.state, { command: 'close', grant })
  }

  userFile(name: string): string {
    return join(this.users, `${name}.toml`)
  }

  knocker({ invitation }: Pick<Enrolled, 'invitation'>): Knocker {
    const knocker = new Knocker(invitation)
    this.#knockers.push(knocker)
    return knocker
  }

  /** Lets somebody in with the code of now; each of them can once in half a minute. */
  async letIn(enrolled: Enrolled) {
    return this.knocker(enrolled).ask({ factor: { kind: 'totp', code: codeOf(enrolled) } })
  }

  async start(): Promise<ChildProcess> {
    const child = this.spawn('run')
    const ended = once(child, 'close')
    this.output = ''
    const collect = (chunk: Buffer) => {
      this.output += chunk
    }
    child.stdout!.on('data', collect)
    child.stderr!.on('data', collect)
    await until(
      () => ({ text: this.output, ended: child.exitCode }),
      ({ text, ended }) => text.includes('"msg":"ready"') || ended !== null,
      30_000,
    )
    if (child.exitCode === null) return child
    // Why it did may come a little later than that it did.
    await ended
    throw new Error(`the daemon ended: ${this.output}`)
  }

  spawn(...args: readonly string[]): ChildProcess {
    const child = spawn(process.execPath, [MAIN, '--config', this.config, ...args], {
      env: { PATH: process.env.PATH },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#started.push(child)
    return child
  }

  async end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  async remove(): Promise<void> {
    for (const child of this.#started) await this.end(child, 'SIGKILL')
    for (const knocker of this.#knockers) knocker.close()
    this.#service.close()
    rmSync(this.folder, { recursive: true })
  }

  async #settings(more: string): Promise<string> {
    const port = await freeUdpPort()
    const { port: forward } = this.#service.address() as { port: number }
    return `listen = ["127.0.0.1:${port}"]
public = "127.0.0.1:${port}"
state = "state"
${more}
[firewall]
backend = "gate"

[services.web]
lifetime = "1h"
gate = { listen = "127.0.0.1:${this.gatePort}", forward = "127.0.0.1:${forward}" }
`
  }
}

export function codeOf({ otpauth }: Pick<Enrolled, 'otpauth'>, steps = 0): string {
  const secret = parseTotpSecret(new URL(otpauth).searchParams.get('secret')!)!
  return totpCode(secret, totpStep(Date.now()) + steps)
}

export async function freeTcpPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
