import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatConfigError } from '../../../server/src/config/error.ts'
import { checkPrivateFolder, readTrusted } from '../../../server/src/config/files.ts'
import { scratch, write } from './scratch.ts'

const root = process.geteuid?.() === 0
const SECRET = { secrecy: 'private', most: 100 } as const
const COMMANDS = { secrecy: 'unwritable', most: 100 } as const

function complaint(file: string, rule: Parameters<typeof readTrusted>[1] = SECRET): string {
  const read = readTrusted(file, rule)
  expect(read.ok).toBe(false)
  return read.ok ? '' : `${read.error.code} ${formatConfigError(read.error)}`
}

describe('a file that holds secrets', () => {
  it('is read if it is closed to others', () => {
    const file = write(join(scratch(), 'a.toml'), 'käse')
    expect(readTrusted(file, SECRET)).toEqual({ ok: true, value: 'käse' })
  })

  it.each([0o640, 0o604, 0o660, 0o622, 0o610])(
    'is refused with mode %o, and the remedy works',
    mode => {
      const file = write(join(scratch(), 'a.toml'), 'x', mode)
      const shown = `0${mode.toString(8)}`
      const line = complaint(file)
      expect(line).toBe(
        `mode ${file}: found mode ${shown}; others can read it; run: chmod 600 ${file}`,
      )
      execFileSync('sh', ['-c', line.split('run: ')[1]!])
      expect(readTrusted(file, SECRET).ok).toBe(true)
    },
  )

  it('has a remedy that can be pasted, whatever its name', () => {
    const file = write(join(scratch(), "it's $HOME.toml"), 'x', 0o644)
    execFileSync('sh', ['-c', complaint(file).split('run: ')[1]!])
    expect(readTrusted(file, SECRET).ok).toBe(true)
  })

  it('is refused behind a symbolic link as well', () => {
    const folder = scratch()
    const lax = write(join(folder, 'lax'), 'x', 0o644)
    symlinkSync(lax, join(folder, 'a.toml'))
    expect(complaint(join(folder, 'a.toml'))).toMatch(/^mode /)
    chmodSync(lax, 0o600)
    expect(readTrusted(join(folder, 'a.toml'), SECRET).ok).toBe(true)
  })

  it.runIf(root)("is refused if it is a stranger's", () => {
    const file = write(join(scratch(), 'a.toml'), 'x')
    chownSync(file, 12_345, 12_345)
    expect(complaint(file)).toBe(
      `owner ${file}: belongs to uid 12345, who could then be this server (uid 0); run: chown 0 ${file}`,
    )
  })

  it('is refused if it is too long, is no text, is no file or is not there', () => {
    const folder = scratch()
    const file = join(folder, 'a.toml')
    expect(complaint(file)).toBe(`absent ${file}: does not exist`)
    expect(complaint(join(write(file, 'x'), 'b'))).toMatch(/^absent .* lies below something/)
    write(file, 'x'.repeat(101))
    expect(complaint(file)).toBe(
      `unreadable ${file}: has 101 bytes, which is more than 100; this cannot be it`,
    )
    write(file, new Uint8Array([0x61, 0xff]))
    expect(complaint(file)).toBe(`syntax ${file}: this is not UTF-8 text`)
    mkdirSync(join(folder, 'b.toml'), { mode: 0o700 })
    expect(complaint(join(folder, 'b.toml'))).toMatch(/^unreadable .*: is not a regular file$/)
  })

  it('is not read for ever if it is a device', () => {
    expect(complaint('/dev/zero')).toMatch(/is not a regular file$/)
  })
})

describe('a file that names commands', () => {
  it.each([0o600, 0o644, 0o444])('is read with mode %o', mode => {
    expect(readTrusted(write(join(scratch(), 'c'), 'x', mode), COMMANDS).ok).toBe(true)
  })

  it.each([0o664, 0o646, 0o666])('is refused with mode %o', mode => {
    const file = write(join(scratch(), 'c'), 'x', mode)
    const shown = `0${mode.toString(8)}`
    expect(complaint(file, COMMANDS)).toBe(
      `mode ${file}: found mode ${shown}; others can write it; run: chmod go-w ${file}`,
    )
  })
})

describe('a private folder', () => {
  it('is closed to others', () => {
    const folder = scratch()
    expect(checkPrivateFolder(folder)).toBeUndefined()
    chmodSync(folder, 0o750)
    expect(checkPrivateFolder(folder)).toMatchObject({
      code: 'mode',
      found: 'mode 0750',
      message: `others can read it; run: chmod 700 ${folder}`,
    })
  })

  it('is a folder', () => {
    const file = write(join(scratch(), 'f'), '')
    expect(checkPrivateFolder(file)).toMatchObject({ code: 'absent' })
  })
})
