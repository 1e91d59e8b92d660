import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { createFile, removeFile, replaceFile } from '../../../server/src/users/store.ts'
import { scratch, write } from '../config/scratch.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = scratch()
  file = join(folder, 'alice.toml')
})

describe('a new file', () => {
  it('is whole, and its owner’s alone', async () => {
    await createFile(file, 'hello')
    expect(readFileSync(file, 'utf8')).toBe('hello')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['alice.toml'])
  })

  it('never takes the place of another', async () => {
    write(file, 'old')
    await expect(createFile(file, 'new')).rejects.toMatchObject({ code: 'exists' })
    expect(readFileSync(file, 'utf8')).toBe('old')
    expect(readdirSync(folder)).toEqual(['alice.toml'])
  })

  it('needs its folder', async () => {
    await expect(createFile(join(folder, 'no', 'x'), '')).rejects.toMatchObject({ code: 'absent' })
  })
})

describe('an edit', () => {
  it('takes the place of the old file at once', async () => {
    write(file, 'old', 0o640)
    await replaceFile(file, async () => {
      expect(readFileSync(file, 'utf8')).toBe('old')
      return 'new'
    })
    expect(readFileSync(file, 'utf8')).toBe('new')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['alice.toml'])
  })

  it('that fails changes nothing', async () => {
    write(file, 'old')
    const failing = replaceFile(file, async () => {
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(readFileSync(file, 'utf8')).toBe('old')
    expect(readdirSync(folder)).toEqual(['alice.toml'])
  })

  it('keeps every other command away from the file, and nothing else', async () => {
    write(file, 'old')
    await replaceFile(file, async () => {
      const busy = {
        code: 'busy',
        message: expect.stringContaining(`remove ${folder}/.alice.toml.new`),
      }
      await expect(removeFile(file)).rejects.toMatchObject(busy)
      await expect(replaceFile(file, async () => 'x')).rejects.toMatchObject(busy)
      await expect(createFile(file, 'x')).rejects.toMatchObject(busy)
      await createFile(join(folder, 'bob.toml'), 'bob')
      return 'new'
    })
    expect(readFileSync(file, 'utf8')).toBe('new')
    await removeFile(file)
    expect(readdirSync(folder)).toEqual(['bob.toml'])
  })

  it('that was cut short is said, and is nobody’s to clear away by itself', async () => {
    write(file, 'old')
    write(join(folder, '.alice.toml.new'), 'half')
    await expect(removeFile(file)).rejects.toMatchObject({ code: 'busy' })
    expect(readdirSync(folder)).toEqual(['.alice.toml.new', 'alice.toml'])
  })
})

it('what is not there cannot be removed', async () => {
  await expect(removeFile(file)).rejects.toMatchObject({ code: 'absent' })
  expect(readdirSync(folder)).toEqual([])
})
