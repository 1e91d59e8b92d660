import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { toBase64Url } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { capture } from '../../client/src/capture.ts'
import { answer, FakeServer } from './fake-server.ts'
import { KEY } from './fake-world.ts'
import { Person } from './person.ts'
import { Home, invitation } from './run.ts'

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

  it('may be pasted with the line breaks of the screen that it was copied from', async () => {
    Object.assign(home.env, { TERM: 'xterm' })
    const at = sit(LINE('add'))
    await at.sees(/\x1b\[\?2004hInvitation \(not shown\): /)
    const text = invitation()
    const paste = `\x1b[200~${text.slice(0, 40)}\r\n${text.slice(40, 80)}\n${text.slice(80)}\r\x1b[2`
    at.type(paste)
    at.type('01~')
    at.type('\r')
    const screen = await at.sees(ECHOES)
    expect(screen).toContain('status=0')
    expect(screen).toContain('\x1b[?2004l')
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

  it.each(['force', 'prefer'])(
    'comes from SSH_ASKPASS at a terminal too, if SSH_ASKPASS_REQUIRE is %s',
    async required => {
      const { received } = await serve()
      const program = `${home.path}/askpass`
      writeFileSync(program, '#!/bin/sh\necho 654321\n', { mode: 0o755 })
      Object.assign(home.env, { SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: required })
      expect(await sit(LINE('knock home')).sees(ECHOES)).toContain('status=0')
      expect(received[0]!.knock.factor.code).toBe('654321')
    },
  )

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

  it('can wait: ^Z gives the terminal back to the shell, and fg asks again with what was typed', async () => {
    const { received } = await serve()
    const at = sit(
      `bash --norc -i -c 'set -m; "$NODE" "$BIN" knock home; stty -a; fg; echo "status=$?"'`,
    )
    await at.sees(/Code for home: /)
    at.type('123')
    await at.sees(/\*\*\*/)
    at.type('\x1a')
    await at.sees(/Code for home: [\s\S]*icanon[\s\S]* echo [\s\S]*Code for home: \*\*\*/)
    at.type('456\r')
    const screen = await at.sees(/status=\d+/)
    expect(screen).toContain('status=0')
    expect(received[0]!.knock.factor.code).toBe('123456')
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

describe('a passphrase', () => {
  it('is asked for twice before it seals a key, and never shown', async () => {
    await home.run(['add'], invitation())
    const at = sit(LINE('lock home'))
    await at.sees(/Passphrase \(not shown\): /)
    at.type('correct horse\r')
    await at.sees(/The same again \(not shown\): /)
    at.type('correct horse\r')
    const screen = await at.sees(ECHOES)
    expect(screen).toContain('status=0')
    expect(screen).not.toContain('horse')
    expect(readFileSync(home.file('home'), 'utf8')).toContain('"sealed"')
  })

  it.each([
    ['correct house\r', 'not the same'],
    ['\x03', 'no passphrase was given'],
  ])('that is not given the same twice (%j) seals nothing', async (again, word) => {
    await home.run(['add'], invitation())
    const at = sit(LINE('lock home'))
    await at.sees(/Passphrase \(not shown\): /)
    at.type('correct horse\r')
    await at.sees(/The same again/)
    at.type(again)
    expect(await at.sees(ECHOES)).toContain(word)
    expect(readFileSync(home.file('home'), 'utf8')).toContain('"plain"')
  })

  it('is asked for before the code, wherever input and output go', async () => {
    const { received } = await serve()
    await home.run(['lock', 'home'], 'correct horse')
    const at = sit(LINE('knock home </dev/null >/dev/null 2>&1'))
    await at.sees(/Passphrase for home: /)
    at.type('correct horse\r')
    await at.sees(/Code for home: /)
    at.type('123456\r')
    const screen = await at.sees(ECHOES)
    expect(screen).toContain('status=0')
    expect(screen).not.toContain('horse')
    expect(received).toHaveLength(1)
  })
})

describe('the doctor', () => {
  it.each([
    ['y', true],
    ['', false],
  ])('offers to knock for the rest, and takes %j for an answer', async (typed, isYes) => {
    const { received } = await serve()
    const at = sit(LINE('doctor home --otp 123456'))
    await at.sees(/Knock now\? \(y\/N\) /)
    at.type(`${typed}\r`)
    expect(await at.sees(ECHOES)).toContain('status=0')
    expect(received.some(({ knock }) => knock.verb === 'open')).toBe(isYes)
  })
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
