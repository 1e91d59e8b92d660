import { chmodSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { formatConfigError } from '../../../server/src/config.ts'
import { loadDirectory, loadUser, type UsersConfig } from '../../../server/src/users.ts'
import { scratch, write } from '../config/scratch.ts'
import { CONFIG } from './arbitrary.ts'

const KEY = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
const OTHER = 'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
const user = (key: string) =>
  `services = ["ssh"]\n[devices.main]\nkey = "${key}"\nenrolled = 2026-11-21T23:38:00Z\n`

let folder: string
let config: UsersConfig
beforeEach(() => {
  folder = join(scratch(), 'users')
  mkdirSync(folder, { mode: 0o700 })
  config = { ...CONFIG, usersFolder: folder }
})

const add = (name: string, text: string, mode?: number) =>
  write(join(folder, `${name}.toml`), text, mode)

async function complaints(): Promise<string[]> {
  const directory = await loadDirectory(config)
  return directory.ok
    ? []
    : directory.error.map(error => formatConfigError(error).replace(folder, ''))
}

describe('the users folder', () => {
  it('gives every user, and the services', async () => {
    add('bob', user(KEY))
    add('alice', user(OTHER))
    const directory = await loadDirectory(config)
    if (!directory.ok) throw new Error('not reached')
    expect(directory.value.services).toBe(config.services)
    expect([...directory.value.users.keys()]).toEqual(['alice', 'bob'])
    expect(directory.value.users.get('bob')?.devices[0]?.id).toBe('bob/main')
  })

  it('may be empty, and may hold what is no user', async () => {
    expect(await complaints()).toEqual([])
    write(join(folder, '.bob.toml.new'), 'half written')
    write(join(folder, 'bob.toml~'), 'an editor was here')
    write(join(folder, 'README'), '', 0o644)
    symlinkSync('nobody@nowhere:1', join(folder, '.#bob.toml'))
    expect(await complaints()).toEqual([])
  })

  it('says all that is wrong in all files', async () => {
    add('alice', user(KEY), 0o644)
    add('bob', 'services = ["shh"]\nlokced = true\n')
    add('carol', 'services = [')
    add('Dave', user(KEY))
    expect(await complaints()).toEqual([
      '/Dave.toml: the file names the user, and a name is 1 to 32 of a-z, 0-9 and -',
      `/alice.toml: found mode 0644; others can read it; run: chmod 600 ${folder}/alice.toml`,
      '/bob.toml:1: services[0]: found "shh"; no such service; did you mean ssh?',
      '/bob.toml:2: lokced: no such key; did you mean locked?',
      expect.stringMatching(/^\/carol.toml:1: this is not TOML: /),
    ])
  })

  it('has no two devices with one key', async () => {
    add('alice', user(KEY))
    add('bob', `${user(OTHER)}[devices.spare]\nkey = "${KEY}"\nenrolled = 2026-11-21T23:38:00Z\n`)
    expect(await complaints()).toEqual([
      '/bob.toml:6: devices.spare.key: is the key of alice/main too; give each device its own with: oneknockd device add',
    ])
  })

  it('is read in slices, so that a daemon that reloads does other things meanwhile', async () => {
    for (let i = 0; i < 200; i++) add(`user${i}`, 'services = []')
    let slices = 0
    let reading = true
    const count = (): void => {
      slices++
      if (reading) setImmediate(count)
    }
    setImmediate(count)
    expect(await loadDirectory(config)).toMatchObject({ ok: true })
    reading = false
    expect(slices).toBeGreaterThanOrEqual(3)
  })

  it('is closed to others', async () => {
    chmodSync(folder, 0o755)
    expect(await complaints()).toEqual([
      `: found mode 0755; others can read it; run: chmod 700 ${folder}`,
    ])
  })

  it('must be there', async () => {
    rmSync(folder, { recursive: true })
    expect(await complaints()).toEqual([`: does not exist; run: mkdir -m 700 ${folder}`])
  })
})

it('one user is read alone, whatever the others are', async () => {
  add('alice', user(KEY))
  add('bob', 'nonsense')
  expect(await loadUser(config, 'alice')).toMatchObject({ ok: true, value: { name: 'alice' } })
  expect(await loadUser(config, 'bob')).toMatchObject({ ok: false, error: [{ code: 'syntax' }] })
  expect(await loadUser(config, 'eve')).toMatchObject({ ok: false, error: [{ code: 'absent' }] })
})
