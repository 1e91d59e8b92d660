import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { toBase64Url } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { capture } from '../../client/src/capture.ts'
import { answer, FakeServer } from './fake-server.ts'
import { KEY } from './fake-world.ts'
import { BIN, Home, invitation } from './run.ts'

/** How long anything may take to show. */
const DEADLINE_MS = 10_000

/** A person at a real pseudo-terminal, in which a shell runs the command line. */
class Person {
  readonly #script: ChildProcessWithoutNullStreams
  #shown = ''

  constructor(home: Home, line: string) {
    const env = { ...home.env, BIN, NODE: process.execPath }
    this.#script = spawn('script', ['-qec', line, '/dev/null'], { env })
    this.#script.stdout.setEncoding('utf8').on('data', text => {
      this.#shown += text
    })
  }

  type(keys: string): void {
    this.#script.stdin.write(keys)
  }

  /** All that has been shown, once it holds this. */
  async sees(pattern: RegExp): Promise<string> {
    const deadline = Date.now() + DEADLINE_MS
    while (!pattern.test(this.#shown)) {
      if (Date.now() > deadline) throw new Error(`never saw ${pattern} in: ${this.#shown}`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    return this.#shown
  }

  leave(): void {
    this.#script.kill()
  }
}

/** Runs the command, then says its status and whether the terminal still echoes. */
const LINE = (args: string) => `"$NODE" "$BIN" ${args}; echo "status=$?"; stty -a`
const ECHOES = /status=\d+[\s\S]* icanon[\s\S]* echo /

let home: Home
let person: Person | undefined
let server: FakeServer | undefined
beforeEach(() => {
  home = new Home()
})
afterEach(async () => {
  person?.leave()
  await server?.stop()
  home.remove()
})

const sit = (line: string): Person => {
  person = new Person(home, line)
  return person
}

async function serve(): Promise<FakeServer> {
  server = await FakeServer.start(['127.0.0.1'], received => [answer(received)])
  await home.run(['add'], invitation({ port: server.port }))
  return server
}

describe('an invitation', () => {
  it('is read without a sign of it on the screen', async () => {
    const at = sit(LINE('add'))
    await at.sees(/Invitation \(not shown\): /)
    at.type(`${invitation()}\r`)
    const screen = await at.sees(ECHOES)
    expect(screen).toContain('status=0')
    expect(screen).not.toContain(toBase64Url(KEY).slice(0, 8))
    expect(screen).not.toContain('oneknock://')
    expect(readFileSync(home.file('home'), 'utf8')).toContain(toBase64Url(KEY))
  })

  it('can be kept back with ^C: nothing is written, and the terminal echoes', async () => {
    const at = sit(LINE('add'))
    await at.sees(/not shown/)
    at.type('oneknock://half\x03')
    expect(await at.sees(ECHOES)).toContain('status=130')
    expect(existsSync(home.folder)).toBe(false)
  })
})

describe('a code', () => {
  it('is asked for at the terminal, and shown as stars', async () => {
    const { received } = await serve()
    const at = sit(LINE('knock home'))
    await at.sees(/Code for home: /)
    at.type('123456\r')
    const screen = await at.sees(ECHOES)
    expect(screen).toContain('Code for home: ******\r\n')
    expect(screen).toContain('open: ssh for 127.0.0.1')
    expect(screen).not.toContain('123456')
    expect(received[0]!.knock.factor).toEqual({ kind: 'totp', code: '123456' })
  })

  it('can be mended while one types it', async () => {
    const { received } = await serve()
    const at = sit(LINE('knock home'))
    await at.sees(/Code for home: /)
    at.type('99\x15\x1b[D129\x7f3456\r')
    expect(await at.sees(ECHOES)).toContain('status=0')
    expect(received[0]!.knock.factor.code).toBe('123456')
  })

  it('is asked for at the terminal also when input and output are elsewhere', async () => {
    const { received } = await serve()
    const at = sit(`${LINE('knock home </dev/null >/dev/null 2>&1')}`)
    await at.sees(/Code for home: /)
    at.type('123456\r')
    expect(await at.sees(ECHOES)).toContain('status=0')
    expect(received).toHaveLength(1)
  })

  it.each([
    ['^C', '12\x03'],
    ['^D', '\x04'],
  ])('can be kept back with %s: nothing is sent, and the terminal echoes', async (_name, keys) => {
    const { received } = await serve()
    const at = sit(LINE('knock home'))
    await at.sees(/Code for home: /)
    at.type(keys)
    expect(await at.sees(ECHOES)).toContain('status=130')
    expect(received).toEqual([])
  })

  it.each(['SIGTERM', 'SIGHUP', 'SIGINT'] as const)(
    '%s while it asks leaves the terminal echoing',
    async signal => {
      await serve()
      const at = sit(
        `sh -c 'echo "pid=$$."; exec "$NODE" "$BIN" knock home'; echo "status=$?"; stty -a`,
      )
      const screen = await at.sees(/pid=\d+\.[\s\S]*Code for home: /)
      process.kill(Number(/pid=(\d+)/.exec(screen)![1]), signal)
      await at.sees(ECHOES)
    },
  )
})

describe('a program that gives the code', () => {
  it('is ended when it takes too long', async () => {
    expect(await capture('/bin/sleep', ['60'], 50)).toEqual({
      ok: false,
      error: 'took longer than 0.05 s',
    })
  })

  it('is not waited for longer because of what it left running', async () => {
    const printed = await capture('/bin/sh', ['-c', 'sleep 2 & echo 123456'], 100)
    expect(printed).toEqual({ ok: false, error: 'took longer than 0.1 s' })
  })

  it('that is not there is said to be so', async () => {
    expect(await capture('/no/such/program', [], 1000)).toEqual({
      ok: false,
      error: 'cannot be run (ENOENT)',
    })
  })
})
