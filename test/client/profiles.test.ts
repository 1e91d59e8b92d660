import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { toBase64Url } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  listProfiles,
  loadProfile,
  profilesFolder,
  removeProfile,
  saveProfile,
} from '../../client/src/profiles.ts'
import { KEY } from './fake-world.ts'
import { Home, invitation } from './run.ts'

const PROFILE = {
  host: 'gate.example.com',
  port: 62201,
  user: 'ana',
  device: 'laptop',
  key: { kind: 'plain', bytes: KEY },
  services: ['ssh'],
} as const

let home: Home
beforeEach(() => {
  home = new Home()
})
afterEach(() => {
  vi.restoreAllMocks()
  home.remove()
})

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)
const messageOf = (result: { ok: boolean; error?: { message: string } }) => result.error?.message

it('keeps profiles in the XDG configuration folder', () => {
  expect(profilesFolder({ XDG_CONFIG_HOME: '/xdg' })).toBe('/xdg/oneknock')
  expect(profilesFolder({ XDG_CONFIG_HOME: 'relative' })).toMatch(/^\/.*\/\.config\/oneknock$/)
  expect(profilesFolder({})).toMatch(/\/\.config\/oneknock$/)
})

it('writes for its owner alone, and reads what it wrote', () => {
  expect(saveProfile(home.folder, 'home', PROFILE)).toEqual({ ok: true, value: home.file('home') })
  expect(modeOf(home.folder)).toBe('700')
  expect(modeOf(home.file('home'))).toBe('600')
  expect(loadProfile(home.folder, 'home')).toEqual({ ok: true, value: PROFILE })
  expect(listProfiles(home.folder)).toEqual({ ok: true, value: ['home'] })
})

it('never writes over a profile, and leaves nothing beside it', () => {
  saveProfile(home.folder, 'home', PROFILE)
  const before = readFileSync(home.file('home'), 'utf8')
  const again = saveProfile(home.folder, 'home', { ...PROFILE, port: 1 })
  expect(again).toMatchObject({ ok: false, error: { code: 'exists' } })
  expect(readFileSync(home.file('home'), 'utf8')).toBe(before)
  expect(readdirSync(home.folder)).toEqual(['home.json'])
})

it('lets only one of several that add at once have the name', async () => {
  const keys = [1, 2, 3, 4].map(n => new Uint8Array(32).fill(n))
  const runs = await Promise.all(keys.map(key => home.run(['add'], invitation({ key }))))
  expect(runs.map(({ status }) => status).sort()).toEqual([0, 2, 2, 2])
  const winner = keys[runs.findIndex(({ status }) => status === 0)]!
  expect(readFileSync(home.file('home'), 'utf8')).toContain(toBase64Url(winner))
  expect(readdirSync(home.folder)).toEqual(['home.json'])
})

it('shows no half-written profile when it is cut short while it writes', async () => {
  const cut = await home.run(['add'], invitation(), ['sh', '-c', 'ulimit -f 0; exec "$@"', 'sh'])
  expect(cut.status).not.toBe(0)
  expect(listProfiles(home.folder)).toEqual({ ok: true, value: [] })
  expect(await home.run(['add'], invitation())).toMatchObject({ status: 0 })
})

describe('refuses', () => {
  it.each([0o640, 0o604, 0o660, 0o666, 0o610])('a file of mode %o', mode => {
    saveProfile(home.folder, 'home', PROFILE)
    chmodSync(home.file('home'), mode)
    const refused = loadProfile(home.folder, 'home')
    expect(refused).toMatchObject({ ok: false, error: { code: 'insecure' } })
    expect(messageOf(refused)).toContain(`chmod 600 ${home.file('home')}`)
  })

  it('a folder that is open to others, to read from and to write to', () => {
    saveProfile(home.folder, 'home', PROFILE)
    chmodSync(home.folder, 0o750)
    for (const refused of [
      loadProfile(home.folder, 'home'),
      saveProfile(home.folder, 'work', PROFILE),
      listProfiles(home.folder),
    ]) {
      expect(refused).toMatchObject({ ok: false, error: { code: 'insecure' } })
      expect(messageOf(refused)).toContain(`chmod 700 ${home.folder}`)
    }
    expect(readdirSync(home.folder)).toEqual(['home.json'])
  })

  it("another user's file", () => {
    saveProfile(home.folder, 'home', PROFILE)
    vi.spyOn(process, 'getuid').mockReturnValue(54321)
    const refused = loadProfile(home.folder, 'home')
    expect(refused).toMatchObject({ ok: false, error: { code: 'insecure' } })
    expect(messageOf(refused)).toContain('chown 54321')
  })

  it('what it cannot parse, by file and key and without its text', () => {
    mkdirSync(home.folder, { mode: 0o700 })
    const text = JSON.stringify({ version: 1, host: 'x', port: 99999, user: 'secret-like' })
    writeFileSync(home.file('home'), text, { mode: 0o600 })
    const refused = loadProfile(home.folder, 'home')
    expect(messageOf(refused)).toContain(`${home.file('home')}: port must be`)
    expect(messageOf(refused)).not.toContain('99999')
  })

  it.each(['../x', 'Home', '', 'a/b', 'x'.repeat(33)])('%j as a name', name => {
    for (const refused of [
      loadProfile(home.folder, name),
      saveProfile(home.folder, name, PROFILE),
      removeProfile(home.folder, name),
    ]) {
      expect(refused).toMatchObject({ ok: false, error: { code: 'bad-name' } })
    }
  })
})

it('names the targets that there are when asked for another', () => {
  expect(messageOf(loadProfile(home.folder, 'home'))).toContain('oneknock add')
  saveProfile(home.folder, 'work', PROFILE)
  saveProfile(home.folder, 'home', PROFILE)
  expect(messageOf(loadProfile(home.folder, 'hone'))).toContain('you have home, work')
})

it('removes a profile that it cannot read', () => {
  mkdirSync(home.folder, { mode: 0o700 })
  writeFileSync(home.file('home'), 'rubbish', { mode: 0o644 })
  expect(removeProfile(home.folder, 'home')).toEqual({ ok: true, value: home.file('home') })
  expect(removeProfile(home.folder, 'home')).toMatchObject({
    ok: false,
    error: { code: 'unknown-target' },
  })
})

it('lets be what is no profile', () => {
  saveProfile(home.folder, 'home', PROFILE)
  writeFileSync(home.file('home~'), '')
  writeFileSync(`${home.folder}/.home.json.swp`, '')
  expect(listProfiles(home.folder)).toEqual({ ok: true, value: ['home'] })
})
