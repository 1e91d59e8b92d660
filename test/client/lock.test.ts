import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseTotpSecret, toBase64Url, totpCode, totpStep } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FakeServer } from './fake-server.ts'
import { KEY } from './fake-world.ts'
import { expectOneLine, Home, invitation, serveTarget } from './run.ts'

const KEY_TEXT = toBase64Url(KEY)
const PASSPHRASE = 'correct horse battery'

let home: Home
let server: FakeServer | undefined
beforeEach(() => {
  home = new Home()
})
afterEach(async () => {
  await server?.stop()
  home.remove()
})

const profile = () => JSON.parse(readFileSync(home.file('home'), 'utf8'))
/** All that is on disk for this person. */
const allText = () =>
  readdirSync(home.path, { recursive: true, encoding: 'utf8' })
    .map(name => join(home.path, name))
    .filter(path => statSync(path).isFile())
    .map(path => readFileSync(path, 'utf8'))
    .join('\n')

function askpass(prints: string): void {
  const program = `${home.path}/askpass`
  writeFileSync(program, `#!/bin/sh\necho "$1" >> ${home.path}/questions\n${prints}\n`, {
    mode: 0o755,
  })
  home.env.SSH_ASKPASS = program
}

describe('lock', () => {
  it('seals the key: no knock without the passphrase, and nothing of the key is left', async () => {
    server = await serveTarget(home)
    writeFileSync(`${home.file('home')}.1234.tmp`, `what a killed writer left: ${KEY_TEXT}`)
    const run = await home.run(['lock', 'home'], `${PASSPHRASE}\n`)
    expect(run).toMatchObject({ status: 0, stderr: '' })
    expect(profile().key).toMatchObject({ kind: 'sealed', scrypt: { n: 131072, r: 8, p: 1 } })
    expect(statSync(home.file('home')).mode & 0o777).toBe(0o600)
    expect(allText()).not.toContain(KEY_TEXT)
    expect(allText()).not.toContain(PASSPHRASE)
    expectOneLine(await home.run(['knock', 'home', '--otp', '123456']), 1, 'a passphrase is needed')
    expect(server.received).toEqual([])
  })

  it('asks by SSH_ASKPASS, first for the passphrase and then for the code', async () => {
    server = await serveTarget(home)
    await home.run(['lock', 'home'], `${PASSPHRASE}\n`)
    askpass(`case "$1" in Pass*) echo "${PASSPHRASE}" ;; *) echo 654321 ;; esac`)
    expect(await home.run(['knock', 'home'])).toMatchObject({ status: 0, stderr: '' })
    expect(server.received[0]!.knock.factor.code).toBe('654321')
    expect(readFileSync(`${home.path}/questions`, 'utf8')).toBe(
      'Passphrase for home: \nCode for home: \n',
    )
  })

  it('takes a wrong passphrase in one clear line, and sends nothing', async () => {
    server = await serveTarget(home)
    await home.run(['lock', 'home'], PASSPHRASE)
    askpass('echo wrong horse battery')
    const run = await home.run(['knock', 'home', '--otp', '123456'])
    expectOneLine(run, 2, 'this passphrase does not open the key of home')
    expect(server.received).toEqual([])
    expectOneLine(await home.run(['unlock', 'home'], 'wrong horse battery'), 2, 'does not open')
    expect(profile().key.kind).toBe('sealed')
  })

  it('asks for no passphrase while the door is open', async () => {
    server = await serveTarget(home)
    await home.run(['lock', 'home'], PASSPHRASE)
    askpass(`case "$1" in Pass*) echo "${PASSPHRASE}" ;; *) echo 654321 ;; esac`)
    await home.run(['knock', 'home', '--if-needed'])
    delete home.env.SSH_ASKPASS
    expect(await home.run(['knock', 'home', '--if-needed'])).toMatchObject({ status: 0 })
  })

  it('is undone by unlock', async () => {
    await home.run(['add'], invitation())
    const before = readFileSync(home.file('home'), 'utf8')
    await home.run(['lock', 'home'], PASSPHRASE)
    expect(await home.run(['unlock', 'home'], PASSPHRASE)).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(home.file('home'), 'utf8')).toBe(before)
    expect(await home.run(['unlock', 'home'])).toMatchObject({ stdout: 'home is not locked\n' })
    expect(readdirSync(home.folder)).toEqual(['home.json'])
  })

  it.each([
    ['', 1, '8 characters'],
    ['short', 1, '8 characters'],
    ['two lines\nare none', 1, 'one line'],
  ])('refuses %j, and changes nothing', async (passphrase, status, word) => {
    await home.run(['add'], invitation())
    const before = readFileSync(home.file('home'), 'utf8')
    expectOneLine(await home.run(['lock', 'home'], passphrase), status, word)
    expect(readFileSync(home.file('home'), 'utf8')).toBe(before)
  })

  it('says what to do about one that is locked already, or is not there', async () => {
    await home.run(['add'], invitation())
    await home.run(['lock', 'home'], PASSPHRASE)
    expectOneLine(await home.run(['lock', 'home'], PASSPHRASE), 2, 'oneknock unlock home')
    expectOneLine(await home.run(['lock', 'work'], PASSPHRASE), 2, 'no target work')
  })

  it('shows that a key is sealed, and nothing of it', async () => {
    await home.run(['add'], invitation())
    await home.run(['lock', 'home'], PASSPHRASE)
    const { stdout } = await home.run(['show', 'home', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ target: 'home', key: 'sealed' })
  })

  it('leaves the profile whole when it cannot write', async () => {
    await home.run(['add'], invitation())
    const before = readFileSync(home.file('home'), 'utf8')
    const cut = await home.run(['lock', 'home'], PASSPHRASE, [
      'sh',
      '-c',
      'ulimit -f 0; exec "$@"',
      'sh',
    ])
    expect(cut.status).not.toBe(0)
    expect(readFileSync(home.file('home'), 'utf8')).toBe(before)
  })
})

describe('a stored secret', () => {
  const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
  const codesNow = () => {
    const step = totpStep(Date.now())
    return [step - 1, step].map(each => totpCode(parseTotpSecret(SECRET)!, each))
  }
  const add = (input: string) => home.run(['add', '--name', 'robot', '--totp-secret'], input)

  it('gives the codes, without anybody being asked', async () => {
    server = await serveTarget(home)
    const added = await add(`${invitation({ port: server.port })}\n${SECRET}\n`)
    expect(added).toMatchObject({ status: 0, stderr: '' })
    expect(added.stdout).not.toContain(SECRET)
    expect(await home.run(['knock', 'robot'])).toMatchObject({ status: 0, stderr: '' })
    expect(codesNow()).toContain(server.received[0]!.knock.factor.code)
  })

  it('gives the codes of a real authenticator', async () => {
    const { codeAt } = await import('../../client/src/stored-secret.ts')
    const at = Date.UTC(2026, 10, 21, 12, 0, 5)
    const { stdout } = spawnSync('oathtool', ['--totp', '-b', '-N', '@1795262405', SECRET])
    expect(codeAt(SECRET, at)).toBe(String(stdout).trim())
  })

  it('is taken as people have it: in groups, in small letters, as a URI', async () => {
    const texts = [
      'gezd gnbv gy3t qojq gezd gnbv gy3t qojq',
      `${SECRET}======`,
      `otpauth://totp/gate:ana?secret=${SECRET}&issuer=gate`,
      `otpauth://totp/x?secret=${SECRET}&algorithm=SHA1&digits=6&period=30`,
    ]
    for (const text of texts) {
      await add(`${invitation()}\n${text}`)
      const kept = JSON.parse(readFileSync(home.file('robot'), 'utf8'))
      expect(kept.totp_secret).toBe(SECRET)
      await home.run(['remove', 'robot'])
    }
  })

  it.each([
    ['', 'no invitation'],
    ['JBSWY3DP', 'no authenticator secret'],
    [`${SECRET}1`, 'no authenticator secret'],
    [`otpauth://totp/x?secret=${SECRET}&digits=8`, 'digits is not 6'],
    [`otpauth://totp/x?secret=${SECRET}&algorithm=SHA256`, 'algorithm is not SHA1'],
    ['otpauth://totp/x', 'no authenticator secret'],
  ])('that is none is refused, and nothing is written: %j', async (text, word) => {
    const run = await add(`${invitation()}\n${text}`)
    expectOneLine(run, 2, word)
    expect(run.stderr).not.toContain(SECRET)
    // V8's code of the command, and no profile.
    expect(readdirSync(home.path)).toEqual(['cache'])
  })

  it('is never shown, and is sealed with the key', async () => {
    await add(`${invitation()}\n${SECRET}`)
    for (const args of [
      ['list'],
      ['list', '--json'],
      ['show', 'robot'],
      ['show', 'robot', '--json'],
    ]) {
      expect((await home.run(args)).stdout).not.toContain(SECRET)
    }
    const { stdout } = await home.run(['show', 'robot', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ totp_secret: 'stored' })
    await home.run(['lock', 'robot'], PASSPHRASE)
    expect(allText()).not.toContain(SECRET)
    await home.run(['unlock', 'robot'], PASSPHRASE)
    expect(allText()).toContain(SECRET)
  })
})
