import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseTotpSecret, TOTP_STEP_MS, totpCode, totpStep } from '@oneknock/shared'

const DAEMON = fileURLToPath(new URL('../../../server/dist/main.js', import.meta.url))
if (!existsSync(DAEMON)) throw new Error('the server is not built: npm run build')

const GREETING = 'hello from behind the door\n'

export interface Person {
  readonly invitation: string
  readonly secret: string
}

export interface Setting {
  /** Names, and how long each stays open. */
  readonly services: Readonly<Record<string, string>>
  /** Absent: one that is free. */
  readonly port?: number
  /** What invitations say; absent: loopback. */
  readonly host?: string
}

/** The code of now, or of so many steps from now; the server takes one step to either side. */
export const codeOf = ({ secret }: Person, steps = 0): string =>
  totpCode(parseTotpSecret(secret)!, totpStep(Date.now() + steps * TOTP_STEP_MS))

/** The built daemon, on loopback, with a gate before each service. */
export class Daemon {
  readonly #folder = mkdtempSync(join(tmpdir(), 'oneknock-tui-'))
  readonly #config = join(this.#folder, 'oneknockd.toml')
  readonly #behind: Server
  readonly #gates: ReadonlyMap<string, number>
  #process: ChildProcess | undefined

  static async start(setting: Setting): Promise<Daemon> {
    const behind = createServer(socket => socket.end(GREETING))
    await once(behind.listen(0, '127.0.0.1'), 'listening')
    const names = Object.keys(setting.services)
    const [free, ...gates] = await freePorts(names.length + 1)
    const daemon = new Daemon(behind, new Map(names.map((name, i) => [name, gates[i]!])))
    daemon.#configure({ ...setting, port: setting.port ?? free! })
    await daemon.#start()
    return daemon
  }

  private constructor(behind: Server, gates: ReadonlyMap<string, number>) {
    this.#behind = behind
    this.#gates = gates
  }

  async enrol(name: string): Promise<Person> {
    const services = [...this.#gates.keys()].join(',')
    const args = ['user', 'add', name, '--services', services, '--json']
    const { invitation, otpauth } = JSON.parse(await this.#command(args))
    return { invitation, secret: new URL(otpauth).searchParams.get('secret')! }
  }

  /** Whether a connection gets through to the service now. */
  async isOpen(service: string): Promise<boolean> {
    const socket = connect(this.#gates.get(service)!, '127.0.0.1')
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    // The gate resets strangers.
    socket.on('error', () => {})
    await new Promise(resolve => socket.on('close', resolve))
    return text === GREETING
  }

  /** Takes somebody out, and with them whatever they have open. */
  async dismiss(name: string): Promise<void> {
    await this.#command(['user', 'remove', name])
  }

  async end(): Promise<void> {
    const child = this.#process
    if (child && child.exitCode === null) {
      child.kill()
      await once(child, 'exit')
    }
    this.#behind.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #configure({ services, port, host = '127.0.0.1' }: Setting): void {
    for (const name of ['users', 'state']) mkdirSync(join(this.#folder, name), { mode: 0o700 })
    const { port: behind } = this.#behind.address() as { port: number }
    const doors = Object.entries(services).map(
      ([name, lifetime]) => `
[services.${name}]
lifetime = "${lifetime}"
gate = { listen = "127.0.0.1:${this.#gates.get(name)}", forward = "127.0.0.1:${behind}" }
`,
    )
    const config = `
listen = ["127.0.0.1:${port}"]
public = "${host}:${port}"
name = "home"
state = "state"

[firewall]
backend = "gate"
${doors.join('')}`
    writeFileSync(this.#config, config, { mode: 0o600 })
  }

  async #start(): Promise<void> {
    const child = spawn(process.execPath, [DAEMON, 'run', '--config', this.#config])
    this.#process = child
    let output = ''
    await new Promise<void>((resolve, reject) => {
      const collect = (chunk: Buffer) => {
        output += chunk
        if (output.includes('"msg":"ready"')) resolve()
      }
      child.stdout.on('data', collect)
      child.stderr.on('data', collect)
      child.on('exit', () => reject(new Error(`the daemon ended: ${output}`)))
    })
  }

  #command(args: readonly string[]): Promise<string> {
    const child = spawn(process.execPath, [DAEMON, ...args, '--config', this.#config])
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => {
      stdout += chunk
    })
    child.stderr.on('data', chunk => {
      stderr += chunk
    })
    return new Promise((resolve, reject) => {
      child.on('close', status => (status === 0 ? resolve(stdout) : reject(new Error(stderr))))
    })
  }
}

/** All held at once, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  await Promise.all(servers.map(server => once(server.listen(0, '127.0.0.1'), 'listening')))
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => once(server.close(), 'close')))
  return ports
}
