import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { verifyLedger } from '../../../server/src/ledger/read.ts'
import { Disk, FOLDER, type Operation, pathOf } from './disk.ts'
import { type Life, live, tryToLive, turns } from './kit.ts'

const failing =
  (which: Operation, errno = 'EIO') =>
  (operation: Operation) =>
    operation === which ? errno : undefined

const healthy = () => undefined

/** A clock that the test sets. */
const aClock = () => {
  const clock = { ms: 1_800_000_000_000, now: () => clock.ms }
  return clock
}

describe.each(['write', 'datasync'] as const)('a failed %s', operation => {
  test('fails its group, and the file is never written again', async () => {
    const disk = new Disk()
    const life = await live(disk)
    await life.append(1)
    disk.interfere = failing(operation)
    expect(await Promise.all([life.append(2), life.append(3)])).toEqual(['disk', 'disk'])
    const abandoned = disk.contents().get(pathOf(1))!

    disk.interfere = healthy
    expect(await life.append(4)).toBe('done')
    expect(disk.contents().get(pathOf(1))).toEqual(abandoned)
    const again = await live(disk)
    expect(again.replayed.map(({ event }) => event.id)).toEqual([4])
    // Their effect was there when the checkpoint was taken: a code that was burnt stays burnt.
    expect([...again.ids]).toEqual([1, 2, 3, 4])
    expect(await verifyLedger(FOLDER, disk)).toMatchObject({ ok: true })
  })

  test('says so once, and says when it is over', async () => {
    const disk = new Disk()
    const life = await live(disk)
    disk.interfere = failing(operation, 'ENOSPC')
    await life.append(1)
    disk.interfere = healthy
    await life.append(2)
    expect(life.notes).toMatchObject([
      { kind: 'opened', file: pathOf(1), seq: 1 },
      { kind: 'failed', why: 'disk', message: expect.stringContaining('ENOSPC') },
      { kind: 'opened', file: pathOf(2), seq: 3 },
    ])
  })
})

describe('a disk that takes no new file', () => {
  test.each(['create', 'syncFolder', 'list', 'freeBytes'] as const)(
    'as %s fails: every append fails at once, it is asked again each second, and recovers',
    async operation => {
      const clock = aClock()
      const disk = new Disk()
      disk.interfere = failing(operation, 'EROFS')
      if (operation === 'list') disk.interfere = healthy
      const life = await live(disk, { now: clock.now, maxFileBytes: 1 })
      if (operation === 'list') {
        clock.ms += 1_000
        await life.append(0)
        disk.interfere = failing(operation, 'EROFS')
        clock.ms += 1_000
        expect(await life.append(0)).toBe('disk')
      }
      const asked = disk.counts.get(operation)
      expect(await Promise.all([1, 2, 3].map(id => life.append(id)))).toEqual(Array(3).fill('disk'))
      clock.ms += 999
      expect(await life.append(4)).toBe('disk')
      expect(disk.counts.get(operation)).toBe(asked)
      clock.ms += 1
      expect(await life.append(5)).toBe('disk')
      expect(disk.counts.get(operation)).toBe(asked! + 1)

      disk.interfere = healthy
      clock.ms -= 3_600_000
      expect(await life.append(6)).toBe('done')
      expect((await live(disk)).ids).toContain(6)
    },
  )

  test('is not asked again within a second for what waited behind a failure either', async () => {
    const disk = new Disk()
    const life = await live(disk, { now: aClock().now })
    disk.interfere = failing('datasync')
    const first = life.append(1)
    while (!disk.counts.has('write')) await turns(1)
    await turns(2)
    const second = life.append(2)
    expect(await Promise.all([first, second])).toEqual(['disk', 'disk'])
    expect(disk.counts.get('create')).toBe(1)
  })

  test('leaves no litter', async () => {
    const disk = new Disk()
    const life = await live(disk, { maxFileBytes: 1 })
    await life.append(1)
    disk.interfere = failing('write', 'ENOSPC')
    for (let id = 2; id < 12; id++) expect(await life.append(id)).toBe('disk')
    expect(disk.counts.get('create')).toBeGreaterThan(5)
    expect([...disk.contents().keys()]).toEqual([pathOf(1)])
  })

  test('cannot be read at start: that is an error, not an empty ledger', async () => {
    const disk = new Disk()
    await (await live(disk)).append(1)
    for (const operation of ['ensureFolder', 'list', 'read'] as const) {
      disk.interfere = failing(operation, 'EACCES')
      const opened = await tryToLive(disk)
      expect(opened).toMatchObject({ ok: false, error: { code: 'ledger-unreadable' } })
      expect(opened.ok || opened.error.message).toContain('EACCES')
    }
  })
})

test('what waits for a slow disk is bounded', async () => {
  const disk = new Disk()
  const life = await live(disk)
  const text = 'x'.repeat(1024 * 1024)
  const outcomes = await Promise.all([1, 2, 3, 4, 5, 6].map(id => life.append(id, text)))
  expect(outcomes).toEqual(['done', 'done', 'done', 'queue-full', 'queue-full', 'queue-full'])
  expect(await life.append(7, text)).toBe('done')
})

test('a state that cannot be written down fails its appends and is asked for again', async () => {
  let broken = true
  const state = () => {
    if (broken) throw new Error('no state')
    return []
  }
  const disk = new Disk()
  const life = await live(disk, { checkpoint: state })
  expect(await life.append(1)).toBe('disk')
  broken = false
  expect(await life.append(2)).toBe('done')
})

describe('space', () => {
  const text = 'x'.repeat(500)

  test('refusals never use the last tenth, everything else does, and then nothing is recorded', async () => {
    const disk = new Disk()
    const life = await live(disk, { spaceBytes: 100_000 })
    const usedBytes = () =>
      [...disk.contents().values()].reduce((sum, { length }) => sum + length, 0)
    let id = 0
    while ((await life.append(++id, text, true)) === 'done') expect(id).toBeLessThan(1_000)
    expect(usedBytes()).toBeGreaterThan(88_000)
    expect(usedBytes()).toBeLessThanOrEqual(90_000)
    while ((await life.append(++id, text)) === 'done') expect(id).toBeLessThan(1_000)
    expect(usedBytes()).toBeGreaterThan(98_000)
    expect(usedBytes()).toBeLessThanOrEqual(100_000)
    expect(await life.append(++id, text)).toBe('space')
    expect(life.notes.filter(({ kind }) => kind === 'space')).toMatchObject([
      { level: 'low' },
      { level: 'used-up' },
    ])
  })

  test('that has been made again is found by itself', async () => {
    const disk = new Disk()
    const clock = aClock()
    const options = {
      spaceBytes: 20_000,
      maxFileBytes: 3_000,
      now: clock.now,
      checkpoint: () => [],
    }
    const life = await live(disk, options)
    let id = 0
    while ((await life.append(++id, text)) === 'done') expect(id).toBeLessThan(1_000)
    expect(await life.append(++id)).toBe('space')
    for (const path of [...disk.contents().keys()].slice(0, -2)) await disk.remove(path)
    clock.ms += 1_000
    expect(await life.append(++id)).toBe('done')
    expect(life.notes.filter(({ kind }) => kind === 'space').at(-1)).toMatchObject({
      level: 'ample',
    })
  })

  test('that a neighbour has made on the disk is found by itself', async () => {
    const disk = new Disk()
    const clock = aClock()
    disk.free = 20_000
    const life = await live(disk, { now: clock.now })
    let id = 0
    while ((await life.append(++id, text)) === 'done') expect(id).toBeLessThan(1_000)
    disk.free = 40_000
    expect(await life.append(++id, text)).toBe('space')
    clock.ms += 1_000
    expect(await life.append(++id, text)).toBe('done')
    expect(disk.contents().size).toBe(1)
  })

  test('is never more than what the disk has', async () => {
    const disk = new Disk()
    disk.free = 3_000
    const life = await live(disk)
    expect(await life.append(1)).toBe('space')
    expect(disk.contents().size).toBe(0)
    expect(life.notes).toMatchObject([
      { kind: 'space', level: 'used-up' },
      { kind: 'failed', why: 'space', message: expect.stringContaining(FOLDER) },
    ])
    disk.free = 30_000
    expect(await life.append(2)).toBe('done')
  })
})

describe('another daemon', () => {
  test('two that start at about the same time: one of them can write', async () => {
    for (let round = 0; round < 30; round++) {
      const disk = new Disk()
      await (await live(disk)).ledger.close()
      // The second starts a little later in each round, through all the steps of the first.
      const first = tryToLive(disk)
      for (let i = 0; i < round; i++) await new Promise(resolve => setImmediate(resolve))
      const [one, two] = await Promise.all([first, tryToLive(disk)])
      const writers = []
      for (const each of [one, two]) {
        if (!each.ok) expect(each.error.code).toBe('another-daemon')
        else if ((await each.value.append(7)) === 'done') writers.push(each)
      }
      expect(writers).toHaveLength(1)
    }
  })

  test('one that comes while another runs takes over, and the other never writes again', async () => {
    const disk = new Disk()
    const old = await live(disk)
    expect(await old.append(1)).toBe('done')
    const young = await live(disk)
    expect(await old.append(2)).toBe('another-daemon')
    expect(await young.append(3)).toBe('done')
    expect(await old.append(4)).toBe('another-daemon')
    expect([...(await live(disk)).ids]).toEqual([1, 3])
    expect(old.notes.at(-1)).toMatchObject({ kind: 'failed', why: 'another-daemon' })
  })

  test('whatever the interleaving, what was acknowledged to either is found', async () => {
    const latencies = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 20, maxLength: 50 })
    await fc.assert(
      fc.asyncProperty(latencies, fc.nat({ max: 30 }), async (turnsTaken, delay) => {
        const disk = new Disk()
        const old = await live(disk)
        let operations = 0
        disk.latency = () => turnsTaken[operations++ % turnsTaken.length]!
        const acknowledged: number[] = []
        const appendMany = async (life: Life, first: number) => {
          for (let id = first; id < first + 6; id++) {
            if ((await life.append(id)) === 'done') acknowledged.push(id)
          }
        }
        const appending = appendMany(old, 1)
        await turns(delay)
        const young = await tryToLive(disk)
        await Promise.all([appending, young.ok && appendMany(young.value, 101)])
        expect((await live(disk)).ids).toEqual(expect.toSatisfy(has(acknowledged)))
      }),
      { numRuns: 200 },
    )
  })
})

const has = (wanted: readonly number[]) => (ids: ReadonlySet<number>) =>
  wanted.every(id => ids.has(id))

test('a power cut never keeps a file’s name and loses that of the one before, which would look like damage', async () => {
  const disk = new Disk()
  const life = await live(disk)
  expect(await life.append(1)).toBe('done')
  // A file that cannot be written and cannot be taken away: its name is there, and not on the disk.
  disk.interfere = (operation, path) => {
    if (path === pathOf(1) && operation === 'datasync') return 'EIO'
    return path === pathOf(2) && ['write', 'remove'].includes(operation) ? 'EIO' : undefined
  }
  expect(await life.append(2)).toBe('disk')
  expect(await life.append(3)).toBe('disk')
  expect([...disk.contents().keys()]).toEqual([pathOf(1), pathOf(2)])
  disk.interfere = operation => (operation === 'write' ? 'crash' : undefined)
  void life.append(4)
  await disk.stopped
  // Whichever of a name's states is kept: the first and the last choice are all that there are.
  for (const kept of [0, 1, 2, 3]) {
    let names = 0
    const found = disk.afterPowerCut(
      choices => (names++ < 2 ? (kept >> (names - 1)) & 1 : 0) % choices,
    )
    const again = await tryToLive(found)
    expect(again.ok, `${[...found.contents().keys()]}`).toBe(true)
    expect(again.ok && again.value.ids.has(1)).toBe(true)
  }
})
