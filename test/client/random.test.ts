import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fillFrom, randomBytes } from '../../client/src/random.ts'

const isLinux = process.platform === 'linux'

test('every call gives other bytes, as many as are asked for', () => {
  const seen = new Set(
    Array.from({ length: 200 }, () => Buffer.from(randomBytes(24)).toString('hex')),
  )
  expect(seen.size).toBe(200)
  expect([0, 1, 8, 24, 4096].map(count => randomBytes(count).length)).toEqual([0, 1, 8, 24, 4096])
})

test('no byte is left as it was: of many calls, each place has nearly every value', () => {
  const seen = Array.from({ length: 8 }, () => new Set<number>())
  for (let i = 0; i < 4_000; i++)
    for (const [at, byte] of randomBytes(8).entries()) seen[at]!.add(byte)
  // 256 · (255/256)^4000 values are missing on average: 4 · 10^-5.
  for (const values of seen) expect(values.size).toBeGreaterThan(250)
})

test('only the generator itself is asked: neither what stands in its place, nor another device', () => {
  const folder = mkdtempSync(join(tmpdir(), 'oneknock-random-'))
  try {
    const file = join(folder, 'urandom')
    writeFileSync(file, new Uint8Array(64).fill(7))
    const bytes = new Uint8Array(24)
    for (const path of [file, '/dev/zero', '/dev/null', join(folder, 'absent'), folder]) {
      expect(fillFrom(path, bytes)).toBe(false)
    }
    expect(bytes).toEqual(new Uint8Array(24))
    expect(fillFrom('/dev/urandom', bytes)).toBe(isLinux)
    expect(bytes.some(byte => byte !== 0)).toBe(isLinux)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
