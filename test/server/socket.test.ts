import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { converse, lockOf, serveSocket } from '../../server/src/socket.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oneknock-socket-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('processes that want the same socket', () => {
  it('never have it at the same time, also when some are killed while they do', async () => {
    const program = join(folder, 'socket-holder.mjs')
    await build({
      entryPoints: [fileURLToPath(new URL('socket-holder.ts', import.meta.url))],
      outfile: program,
      bundle: true,
      platform: 'node',
      format: 'esm',
    })
    const run = (rounds: number, death = 0) => {
      const child = spawn(process.execPath, [program, folder, `${rounds}`, `${death}`])
      let said = ''
      const hear = (chunk: Buffer) => {
        said += chunk
      }
      child.stdout.on('data', hear)
      child.stderr.on('data', hear)
      return new Promise<{ said: string; status: number | null; signal: string | null }>(resolve =>
        child.on('close', (status, signal) => resolve({ said, status, signal })),
      )
    }
    const rounds = 50
    const runs = await Promise.all([1, 2, 3, 4].map(n => run(rounds, n % 2 === 0 ? n * 5 : 0)))
    const whole = { said: 'had it\n'.repeat(rounds), status: 0, signal: null }
    expect(runs).toEqual([
      whole,
      { said: 'had it\n'.repeat(9), status: null, signal: 'SIGKILL' },
      whole,
      { said: 'had it\n'.repeat(19), status: null, signal: 'SIGKILL' },
    ])
    expect(readdirSync(folder)).toEqual(['socket-holder.mjs'])
  })
})

describe('the lock of a socket', () => {
  const serving = () => serveSocket(join(folder, 'test.sock'), async () => 'here')
  const lock = () => lockOf(join(folder, 'test.sock'))

  it('keeps others from it even if its name is gone, and leaves nothing behind', async () => {
    const first = await serving()
    if (!first.ok) throw new Error(first.error.message)
    rmSync(join(folder, 'test.sock'))
    expect(await serving()).toMatchObject({ ok: false, error: { code: 'held' } })
    expect(readdirSync(folder)).toEqual(['test.lock'])
    await first.value.close()
    expect(readdirSync(folder)).toEqual([])
  })

  it('is not needed to keep it: nobody who answers is pushed aside', async () => {
    const first = await serving()
    if (!first.ok) throw new Error(first.error.message)
    rmSync(lock(), { recursive: true })
    expect(await serving()).toMatchObject({ ok: false, error: { code: 'held' } })
    expect(await converse(join(folder, 'test.sock'), {}, () => {}, 1000)).toBe('here')
    await first.value.close()
    expect(readdirSync(folder)).toEqual([])
  })

  it.each([
    ['a file', (place: string) => writeFileSync(place, 'mine')],
    [
      'a folder with a file',
      (place: string) => {
        mkdirSync(place)
        writeFileSync(join(place, '0123abcd'), 'mine')
      },
    ],
  ])('removes nothing of another’s: %s in its place', async (_, put) => {
    put(lock())
    const before = readdirSync(folder, { recursive: true })
    expect(await serving()).toMatchObject({
      ok: false,
      error: { code: 'unavailable', message: expect.stringContaining('test.lock') },
    })
    expect(readdirSync(folder, { recursive: true })).toEqual(before)
  })
})
