import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buildSync } from 'esbuild'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemFiles } from '../../../server/src/ledger/files.ts'
import { verifyLedger } from '../../../server/src/ledger/read.ts'
import { live, tryToLive } from './kit.ts'

let place: string
let folder: string

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'oneknock-ledger-'))
  folder = join(place, 'ledger')
})
afterEach(() => rm(place, { recursive: true }))

describe('on a real disk', () => {
  test('what was appended is there at the next start', async () => {
    const life = await live(systemFiles, { folder, maxFileBytes: 2_000 })
    for (let id = 1; id <= 50; id++) expect(await life.append(id)).toBe('done')
    await life.ledger.close()
    const again = await live(systemFiles, { folder })
    expect(again.ids.size).toBe(50)
    expect(await verifyLedger(folder, systemFiles)).toMatchObject({
      ok: true,
      value: { head: again.ledger.head() },
    })
    await again.ledger.close()
  })

  test('folder and files are for the owner alone', async () => {
    const life = await live(systemFiles, { folder })
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    for (const name of await readdir(folder)) {
      expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600)
    }
    await life.ledger.close()
  })

  test('without the folder above it, it is an error and nothing is made', async () => {
    const opened = await tryToLive(systemFiles, { folder: join(folder, 'ledger') })
    expect(opened).toMatchObject({ ok: false, error: { code: 'ledger-unreadable' } })
    expect(await readdir(place)).toEqual([])
  })

  test('of two that open it at once, never both can write', async () => {
    let written = 0
    for (let round = 0; round < 20; round++) {
      const both = await Promise.all([1, 2].map(() => tryToLive(systemFiles, { folder })))
      const lives = both.flatMap(each => (each.ok ? [each.value] : []))
      for (const each of both) if (!each.ok) expect(each.error.code).toBe('another-daemon')
      const outcomes = await Promise.all(lives.map(life => life.append(round)))
      const writers = outcomes.filter(outcome => outcome === 'done').length
      expect(writers).toBeLessThanOrEqual(1)
      written += writers
      await Promise.all(lives.map(life => life.ledger.close()))
    }
    expect(written).toBeGreaterThan(0)
  })
})

const whyNoMount = (): string | undefined => {
  if (process.getuid?.() !== 0) return 'skipped: mounting a small disk needs root'
  const tried = spawnSync('unshare', ['--mount', 'true'])
  return tried.status === 0 ? undefined : 'skipped: this root may not mount'
}

describe('on a disk of one megabyte', () => {
  const why = whyNoMount()
  if (why && process.env.CI === 'true') {
    test('can be mounted', () => expect(why).toBeUndefined())
  }

  describe.skipIf(why)(why ?? 'mounted', () => {
    beforeEach(() => {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'oneknock-test', place])
    })
    afterEach(() => {
      execFileSync('umount', ['-l', place])
    })

    test('that another fills up: appends fail, and go on when there is room', async () => {
      const life = await live(systemFiles, { folder })
      const acknowledged: number[] = []
      const text = 'x'.repeat(2_000)
      let id = 0
      const appendUntil = async (wanted: string) => {
        for (let outcome = ''; outcome !== wanted; ) {
          outcome = await life.append(++id, text)
          if (outcome === 'done') acknowledged.push(id)
          expect(id).toBeLessThan(2_000)
        }
      }
      await appendUntil('done')
      // Behind the ledger's back: it last measured when everything was free.
      await writeFile(join(place, 'ballast'), Buffer.alloc(900_000))
      await appendUntil('disk')
      await appendUntil('space')
      expect(acknowledged.length).toBeGreaterThan(5)

      await rm(join(place, 'ballast'))
      await appendUntil('done')
      await appendUntil('done')
      await life.ledger.close()
      const again = await live(systemFiles, { folder })
      expect([...again.ids]).toEqual(expect.arrayContaining(acknowledged))
      expect((await verifyLedger(folder, systemFiles)).ok).toBe(true)
      await again.ledger.close()
    })

    test('that is read-only: it opens, refuses, and recovers', async () => {
      const before = await live(systemFiles, { folder })
      await before.append(1)
      await before.ledger.close()
      execFileSync('mount', ['-o', 'remount,ro', place])
      const life = await live(systemFiles, { folder })
      expect([...life.ids]).toEqual([1])
      expect(await life.append(2)).toBe('disk')
      expect(life.notes.at(-1)?.message).toContain('EROFS')
      execFileSync('mount', ['-o', 'remount,rw', place])
      expect(await life.append(3)).toBe('done')
      await life.ledger.close()
    })
  })
})

test('nothing acknowledged is missing after any of 24 kills', async () => {
  const script = join(place, 'appender.mjs')
  const entryPoints = [join(import.meta.dirname, 'appender.ts')]
  buildSync({ entryPoints, bundle: true, platform: 'node', format: 'esm', outfile: script })
  const durable = new Set<number>()
  for (let life = 0; life < 24; life++) {
    const child = spawn(process.execPath, [script, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await killAfter(child, (life * 17) % 60, durable)
  }
  const last = await live(systemFiles, { folder })
  expect(durable.size).toBeGreaterThan(300)
  expect([...durable].filter(id => !last.ids.has(id))).toEqual([])
  expect((await verifyLedger(folder, systemFiles)).ok).toBe(true)
  await last.ledger.close()
}, 60_000)

/** Kills once so many lines were read, and takes note of all that had been said by then. */
async function killAfter(child: ChildProcess, lines: number, durable: Set<number>): Promise<void> {
  let read = 0
  const before = [...durable]
  for await (const line of createInterface({ input: child.stdout! })) {
    const [what, value] = line.split(' ', 2)
    if (what === 'found') {
      const found = new Set<number>(JSON.parse(value!))
      expect(before.filter(id => !found.has(id))).toEqual([])
    } else if (what === 'durable') {
      durable.add(Number(value))
    } else {
      expect(line).toBe('starting')
    }
    if (read++ === lines) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  expect(child.signalCode).toBe('SIGKILL')
}
