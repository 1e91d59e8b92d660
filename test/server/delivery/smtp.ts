import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { vi } from 'vitest'

const PYTHON = '/usr/bin/python3'

/** `python3-aiosmtpd` of Debian. */
export const hasSmtpServer = spawnSync(PYTHON, ['-c', 'import aiosmtpd']).status === 0

export interface Mail {
  readonly sender: string
  readonly to: readonly string[]
  readonly content: string
  readonly tls: boolean
  readonly answer: string
}

export interface SmtpOptions {
  readonly answers?: readonly string[]
  readonly login?: readonly [user: string, password: string]
  readonly tls?: readonly [certificate: string, key: string]
  readonly stall?: boolean
}

/** aiosmtpd, a real server that shares no code with the client. */
export class SmtpServer {
  readonly #mails: Mail[] = []
  readonly logins: boolean[] = []
  port = 0
  readonly #child: ChildProcess

  private constructor(options: SmtpOptions) {
    const script = fileURLToPath(new URL('smtp-server.py', import.meta.url))
    const args = [script, JSON.stringify(options)]
    this.#child = spawn(PYTHON, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface({ input: this.#child.stdout! }).on('line', line => {
      const { event, ...rest } = JSON.parse(line)
      if (event === 'listening') this.port = rest.port
      else if (event === 'login') this.logins.push(rest.good)
      else this.#mails.push(rest)
    })
  }

  static async start(options: SmtpOptions = {}): Promise<SmtpServer> {
    const server = new SmtpServer(options)
    await vi.waitFor(() => {
      if (server.port === 0) throw new Error('not yet')
    }, 15_000)
    return server
  }

  /** What it has taken so far, once it has said so. */
  async mails(count: number): Promise<readonly Mail[]> {
    await vi.waitFor(() => {
      if (this.#mails.length < count) throw new Error(`${this.#mails.length} mails, not ${count}`)
    }, 5_000)
    return this.#mails
  }

  /** The first that says this. */
  mail(text: string): Promise<Mail> {
    return vi.waitFor(() => {
      const mail = this.#mails.find(({ content }) => content.includes(text))
      if (!mail) throw new Error(`no mail says ${text}`)
      return mail
    }, 15_000)
  }

  async stop(): Promise<void> {
    if (this.#child.killed) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}
