import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { toBase64Url } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KEY } from './fake-world.ts'
import { expectOneLine, Home, invitation } from './run.ts'

const KEY_TEXT = toBase64Url(KEY)

let home: Home
beforeEach(() => {
  home = new Home()
})
afterEach(() => home.remove())

describe('help', () => {
  it.each([['--help'], ['add', '--help'], ['knock', '--help'], ['close', '--help']])(
    'teaches by example: %s %s',
    async (...args) => {
      const run = await home.run(args)
      expect(run).toMatchObject({ status: 0, stderr: '' })
      expect(run.stdout).toContain('Examples:\n  oneknock ')
      expect(run.stdout).not.toContain('\x1b')
      expect(Math.max(...run.stdout.split('\n').map(line => line.length))).toBeLessThanOrEqual(80)
    },
  )

  it('says its version', async () => {
    const { version } = JSON.parse(readFileSync('client/package.json', 'utf8'))
    expect(await home.run(['--version'])).toMatchObject({ status: 0, stdout: `${version}\n` })
  })

  it.each([
    ['oneknock --help', []],
    ['oneknock --help', ['knok']],
    ['oneknock knock --help', ['knock']],
    ['oneknock knock --help', ['knock', 'home', '--bad']],
    ['oneknock knock --help', ['knock', 'home', '--otp']],
    ['oneknock list --help', ['list', 'x']],
    ['oneknock --help', ['kn\x1b[31m\nok']],
  ])('is pointed to after a mistake: %s, after %j', async (help, args) => {
    expectOneLine(await home.run(args), 1, help)
  })
})

describe('add', () => {
  it('takes an invitation from stdin and says what to run next', async () => {
    const run = await home.run(['add', '--otp-command', 'echo 123456'], `\n${invitation()}\n`)
    expect(run).toMatchObject({ status: 0, stderr: '' })
    expect(run.stdout).toContain('oneknock knock home')
    expect(run.stdout).not.toContain(KEY_TEXT)
    expect(JSON.parse(readFileSync(home.file('home'), 'utf8'))).toEqual({
      version: 1,
      host: '127.0.0.1',
      port: 62201,
      user: 'ana',
      device: 'laptop',
      key: { kind: 'plain', base64url: KEY_TEXT },
      services: ['ssh', 'wiki'],
      otp_command: 'echo 123456',
    })
  })

  it('takes one as an argument, with a warning', async () => {
    const run = await home.run(['add', invitation(), '--name', 'work'])
    expect(run.status).toBe(0)
    expect(run.stderr).toMatch(/^oneknock: warning: .*history.*\n$/)
    expect(existsSync(home.file('work'))).toBe(true)
  })

  const good = invitation({ host: 'gate.example.com' })
  it.each([
    ['oneknock://', good.replace('oneknock:', 'https:')],
    ['oneknock://', ''],
    ['oneknock://', 'x'.repeat(100_000)],
    ['host', good.replace('gate.example.com', '-x-')],
    ['port', good.replace('62201', '0')],
    ['version', good.replace('v=1', 'v=2')],
    ['server', good.replace('name=home', 'name=Home')],
    ['user', good.replace('user=ana', 'user=')],
    ['device', good.replace('device=laptop', '')],
    ['key', good.replace(KEY_TEXT, KEY_TEXT.slice(1))],
    ['key', good.slice(0, -40)],
    ['services', good.replace('ssh,wiki', 'ssh,,wiki')],
  ])('says what is wrong with an invitation (%s), and writes nothing', async (word, text) => {
    const run = await home.run(['add'], text)
    expectOneLine(run, 2, word)
    expect(run.stderr).not.toContain(KEY_TEXT.slice(0, 10))
    expect(existsSync(home.folder)).toBe(false)
  })

  it.each([
    ['--name', 'No Name'],
    ['--otp-command', ''],
    ['--otp-command', 'a\nb'],
  ])('refuses %s %j before it asks, and writes nothing', async (flag, value) => {
    expectOneLine(await home.run(['add', flag, value], invitation()), 1, flag)
    expect(existsSync(home.folder)).toBe(false)
  })

  it('never takes the place of a target', async () => {
    await home.run(['add'], invitation())
    const before = readFileSync(home.file('home'), 'utf8')
    expectOneLine(
      await home.run(['add'], invitation({ port: 1 })),
      2,
      '--name',
      'oneknock remove home',
    )
    expect(readFileSync(home.file('home'), 'utf8')).toBe(before)
    expect(readdirSync(home.folder)).toEqual(['home.json'])
  })
})

describe('list, show and remove', () => {
  it('show all but the key', async () => {
    await home.run(['add', '--otp-command', 'pass otp home'], invitation())
    for (const args of [
      ['list'],
      ['list', '--json'],
      ['show', 'home'],
      ['show', 'home', '--json'],
    ]) {
      const run = await home.run(args)
      expect(run).toMatchObject({ status: 0, stderr: '' })
      expect(run.stdout).toMatch(/home.*127\.0\.0\.1.*62201.*ana.*laptop/s)
      expect(run.stdout).not.toContain(KEY_TEXT)
    }
    expect(JSON.parse((await home.run(['list', '--json'])).stdout)).toEqual({
      target: 'home',
      host: '127.0.0.1',
      port: 62201,
      user: 'ana',
      device: 'laptop',
      key: 'plain',
      services: ['ssh', 'wiki'],
      otp_command: 'pass otp home',
    })
  })

  it('list the good ones beside a bad one', async () => {
    await home.run(['add'], invitation())
    writeFileSync(home.file('bad'), '{}', { mode: 0o600 })
    const run = await home.run(['list'])
    expect(run.status).toBe(2)
    expect(run.stdout).toMatch(/^home /m)
    expect(run.stderr).toContain(`${home.file('bad')}: version is missing`)
  })

  it('say so when there is none', async () => {
    expectOneLine(await home.run(['list']), 0, 'oneknock add')
    for (const command of ['show', 'remove', 'knock', 'close']) {
      expectOneLine(await home.run([command, 'home']), 2, 'oneknock add')
      expectOneLine(await home.run([command, '../x']), 1, 'a name is')
    }
  })

  it('forget a target', async () => {
    await home.run(['add'], invitation())
    expect(await home.run(['remove', 'home'])).toMatchObject({ status: 0, stderr: '' })
    expect(readdirSync(home.folder)).toEqual([])
  })
})
