import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatInvitation, type Invitation, type Reply } from '@oneknock/shared'
import { expect } from 'vitest'
import { answer, FakeServer, type Received } from './fake-server.ts'
import { KEY } from './fake-world.ts'

/** The command as it is shipped. */
export const BIN = fileURLToPath(new URL('../../client/dist/bin/oneknock.js', import.meta.url))
if (!existsSync(BIN)) throw new Error('the client is not built: npm run build')

export interface Run {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Five seconds in all: what still writes there is about to end. */
const REMOVALS = 100
const REMOVAL_PAUSE_MS = 50
/** Never woken: a pause ends by its time. */
const nobody = new Int32Array(new SharedArrayBuffer(4))

/** A person's home: a configuration folder of their own, gone at the end. */
export class Home {
  readonly path = mkdtempSync(join(tmpdir(), 'oneknock-client-'))
  readonly folder = join(this.path, 'oneknock')
  readonly env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    XDG_CONFIG_HOME: this.path,
    XDG_STATE_HOME: join(this.path, 'state'),
    XDG_CACHE_HOME: join(this.path, 'cache'),
  }

  file(name: string): string {
    return join(this.folder, `${name}.json`)
  }

  /** A real process without a terminal, until it ends. */
  run(args: readonly string[], input = '', wrap: readonly string[] = []): Promise<Run> {
    const [file, ...rest] = [...wrap, process.execPath, BIN, ...args]
    // A session of its own, so that no terminal of the one who runs the tests is asked for a code.
    const child = spawn(file!, rest, { env: this.env, detached: true })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    // It may end without reading its input.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', status => resolve({ status, stdout, stderr }))
    })
  }

  remove(): void {
    // A session that has left the screen may still be keeping its code. Node's own retries look no more
    // at what has come into a folder that it has emptied.
    for (let tries = REMOVALS; existsSync(this.path); tries--) {
      try {
        rmSync(this.path, { recursive: true, force: true })
      } catch (error) {
        if (tries === 1) throw error
        Atomics.wait(nobody, 0, 0, REMOVAL_PAUSE_MS)
      }
    }
  }
}

export const invitation = (changes: Partial<Invitation> = {}): string =>
  formatInvitation({
    host: '127.0.0.1',
    port: 62201,
    name: 'home',
    user: 'ana',
    device: 'laptop',
    key: KEY,
    services: ['ssh', 'wiki'],
    ...changes,
  })

/** One line on stderr, nothing on stdout. */
export function expectOneLine(run: Run, status: number, ...words: string[]): void {
  expect(run).toMatchObject({ status, stdout: '' })
  expect(run.stderr).toMatch(/^oneknock: [^\n\x1b]+\n$/)
  for (const word of words) expect(run.stderr).toContain(word)
}

/** A server that says this, and a target `home` that leads to it. */
export async function serveTarget(
  home: Home,
  said: Partial<Reply> | ((received: Received, server: FakeServer) => Partial<Reply>) = {},
  invited: Partial<Invitation> = {},
): Promise<FakeServer> {
  const server = await FakeServer.start(['127.0.0.1'], (received, at) => [
    answer(received, typeof said === 'function' ? said(received, at) : said),
  ])
  const added = await home.run(['add'], invitation({ ...invited, port: server.port }))
  if (added.status !== 0) throw new Error(added.stderr)
  return server
}
