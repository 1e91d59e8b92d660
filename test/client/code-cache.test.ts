import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cacheFolder } from '../../client/src/code-cache.ts'
import { BIN, Home, invitation } from './run.ts'

/*
 * Kept code is code: whoever can write it has it run. So these tests plant some, and see whether it
 * runs. Each run is a process of the command as it is shipped, with another program to load: within one
 * process V8 remembers what it has compiled.
 */

const KEPT = `commands.js.${process.version}`

let place: string
let caches: string
let folder: string
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'oneknock-cache-'))
  caches = join(place, 'cache')
  folder = join(caches, 'oneknock')
  install('ours')
})
afterEach(() => rmSync(place, { recursive: true }))

/** V8 asks no more of a source than its length: these are all of one. */
function install(word: string, name = word): void {
  mkdirSync(join(place, name), { recursive: true })
  copyFileSync(BIN, join(place, name, 'oneknock.js'))
  const program = `(function (exports) { exports.run = async () => { console.log('${word}'.trim()); return 0 } })`
  writeFileSync(join(place, name, 'commands.js'), program)
}

/** What it says. */
function run(name: string): string {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(place, name, 'oneknock.js'), 'list'],
    { env: { XDG_CACHE_HOME: caches }, encoding: 'utf8' },
  )
  expect(stderr).toBe('')
  return stdout.trim()
}

const kept = (): string => join(folder, KEPT)
const readKept = (): string => readFileSync(kept(), 'latin1')

/** Puts another's code in the place of what is kept of ours. */
function plant(): void {
  install('evil')
  const parts = ['evil', 'ours'].map(name => {
    run(name)
    return /^(.*?\n)(.*)$/s.exec(readKept())!.slice(1)
  })
  const [[, code], [head]] = parts as [[string, string], [string, string]]
  writeFileSync(kept(), head + code, 'latin1')
}

describe('the code of a bundle', () => {
  it('is kept for its owner alone, and runs the next time', () => {
    expect(run('ours')).toBe('ours')
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(statSync(kept()).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual([KEPT])
    plant()
    expect(run('ours')).toBe('evil')
  })

  it.each([
    ['folder', 0o750],
    ['folder', 0o702],
    ['file', 0o604],
    ['file', 0o620],
  ])('is not taken from a %s that others may use (%o)', (what, mode) => {
    plant()
    chmodSync(what === 'folder' ? folder : kept(), mode)
    expect(run('ours')).toBe('ours')
  })

  it.runIf(process.getuid?.() === 0)("is not taken from somebody else's file or folder", () => {
    plant()
    chownSync(kept(), 65534, 65534)
    expect(run('ours')).toBe('ours')
    plant()
    chownSync(folder, 65534, 65534)
    expect(run('ours')).toBe('ours')
  })

  it('is not taken for a file that has changed, though as long', () => {
    plant()
    install('new!', 'ours')
    expect(run('ours')).toBe('new!')
    expect(run('ours')).toBe('new!')
  })

  it.each([
    ['empty', () => ''],
    ['cut short', (text: string) => text.slice(0, text.length / 2)],
    ['of another V8', (text: string) => text.replace(/\n.{16}/s, `\n${'x'.repeat(16)}`)],
    ['anything', () => 'anything'],
  ])('is made anew if it is %s', (_, damage) => {
    run('ours')
    const whole = readKept()
    writeFileSync(kept(), damage(whole), 'latin1')
    expect(run('ours')).toBe('ours')
    expect(readKept().length).toBe(whole.length)
  })

  it('is not kept where it cannot be', () => {
    writeFileSync(caches, 'a file')
    expect(run('ours')).toBe('ours')
    expect(readFileSync(caches, 'utf8')).toBe('a file')
  })

  it.runIf(process.getuid?.() === 0)('is not made in a home that is not ours', () => {
    chownSync(place, 65534, 65534)
    expect(run('ours')).toBe('ours')
    expect(readdirSync(place)).toEqual(['ours'])
  })
})

it('is below the XDG cache folder', () => {
  expect(cacheFolder({ XDG_CACHE_HOME: '/xdg' })).toBe('/xdg/oneknock')
  expect(cacheFolder({ XDG_CACHE_HOME: 'relative' })).toMatch(/^\/.*\/\.cache\/oneknock$/)
})

it('the command keeps its own, without a secret in it', async () => {
  const home = new Home()
  try {
    const text = invitation()
    const key = new URL(text).searchParams.get('key')!
    expect((await home.run(['add'], text)).status).toBe(0)
    const kept = join(home.path, 'cache', 'oneknock', KEPT)
    const before = statSync(kept)
    expect((await home.run(['list'])).stdout).toContain('home')
    // As it was: the second run took it up.
    expect(statSync(kept).ino).toBe(before.ino)
    expect(readFileSync(kept, 'latin1')).not.toContain(key)
  } finally {
    home.remove()
  }
})
