import { describe, expect, test } from 'vitest'
import { Disk, type Operation, pathOf } from './disk.ts'
import { live, turns } from './kit.ts'

const countsOf = (disk: Disk, operation: Operation): number => disk.counts.get(operation) ?? 0

const parsed = (bytes: Buffer): Record<string, unknown>[] =>
  bytes
    .toString()
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))

describe('group commit', () => {
  test('what one turn of the loop appends shares one write and one sync', async () => {
    const disk = new Disk()
    const life = await live(disk)
    disk.counts.clear()
    expect(await Promise.all([1, 2, 3, 4, 5].map(id => life.append(id)))).toEqual(
      Array(5).fill('done'),
    )
    expect([countsOf(disk, 'write'), countsOf(disk, 'datasync')]).toEqual([1, 1])
    expect(parsed(disk.contents().get(pathOf(1))!).map(({ commit }) => commit)).toEqual([
      1,
      ...Array(4).fill(undefined),
      5,
    ])
  })

  test('so does what arrives one by one in the same turn, as packets do', async () => {
    const disk = new Disk()
    const life = await live(disk)
    disk.counts.clear()
    const arrival = (id: number) =>
      new Promise(resolve => setImmediate(() => resolve(life.append(id))))
    expect(await Promise.all([1, 2, 3].map(arrival))).toEqual(['done', 'done', 'done'])
    expect(countsOf(disk, 'datasync')).toBe(1)
  })

  test('what comes while one group is on its way makes the next', async () => {
    const disk = new Disk()
    const life = await live(disk)
    disk.counts.clear()
    const first = life.append(1)
    await turns(2)
    const rest = [2, 3, 4].map(id => life.append(id))
    expect(await Promise.all([first, ...rest])).toEqual(Array(4).fill('done'))
    expect(countsOf(disk, 'datasync')).toBe(2)
  })

  test('nothing is acknowledged before the sync has come back', async () => {
    const disk = new Disk()
    const life = await live(disk)
    let acknowledged = false
    let seenEarly: boolean | undefined
    disk.interfere = operation => {
      if (operation === 'datasync') seenEarly = acknowledged
      return undefined
    }
    await life.append(1).then(() => {
      acknowledged = true
    })
    expect(seenEarly).toBe(false)
  })

  test('an event is recorded as it was when it was handed over', async () => {
    const disk = new Disk()
    const life = await live(disk)
    const event = { event: 'counted' as const, id: 1 }
    const done = life.ledger.append(event)
    event.id = 2
    await done
    expect((await live(disk)).replayed[0]!.event.id).toBe(1)
  })

  test('a short write is completed', async () => {
    const disk = new Disk()
    const life = await live(disk)
    disk.counts.clear()
    disk.interfere = operation => (operation === 'write' ? 50 : undefined)
    expect(await Promise.all([life.append(1), life.append(2)])).toEqual(['done', 'done'])
    expect(countsOf(disk, 'write')).toBeGreaterThan(2)
    expect(countsOf(disk, 'datasync')).toBe(1)
    disk.interfere = () => undefined
    expect([...(await live(disk)).ids]).toEqual([1, 2])
  })
})

describe('files', () => {
  test('every start opens a new one, with the state and the place it goes on from', async () => {
    const disk = new Disk()
    for (const id of [1, 2]) {
      const life = await live(disk)
      await life.append(id)
      await life.ledger.close()
    }
    const life = await live(disk)
    const [, second, third] = [...disk.contents().values()]
    const last = parsed(second!).at(-1)!
    expect(parsed(third!)).toEqual([
      {
        seq: 5,
        at: expect.any(Number),
        event: 'checkpoint',
        format: 1,
        after: { file: 2, bytes: second!.length, seq: 4, hash: last.hash },
        state: [1, 2],
        commit: 1,
        hash: life.ledger.head().hash,
      },
    ])
  })

  test('one that has had its share is followed by the next, on the boundary of a group', async () => {
    const disk = new Disk()
    const life = await live(disk, { maxFileBytes: 1_000 })
    for (let id = 1; id <= 60; id += 3) {
      await Promise.all([id, id + 1, id + 2].map(each => life.append(each)))
    }
    const files = [...disk.contents().values()].map(parsed)
    expect(files.length).toBeGreaterThan(4)
    for (const lines of files) {
      expect(lines[0]).toMatchObject({ event: 'checkpoint' })
      expect(lines.at(-1)).toHaveProperty('commit')
    }
    const again = await live(disk)
    expect(again.ids.size).toBe(60)
    expect(again.replayed.length).toBeLessThan(15)
    expect(again.ledger.head().seq).toBe(60 + files.length + 1)
  })

  test('a state larger than a file does not make every group open one', async () => {
    const disk = new Disk()
    const life = await live(disk, {
      maxFileBytes: 2_000,
      checkpoint: () => Array(5_000).fill(7),
    })
    for (let id = 1; id <= 10; id++) await life.append(id)
    expect(disk.contents().size).toBe(1)
  })

  test('names are made durable before anything in a new file is acknowledged', async () => {
    const disk = new Disk()
    const seen: string[] = []
    disk.interfere = operation => {
      if (['create', 'write', 'datasync', 'syncFolder'].includes(operation)) seen.push(operation)
      return undefined
    }
    const life = await live(disk, { maxFileBytes: 1 })
    while (disk.contents().size === 1) {
      await life.append(1).then(() => seen.push('acknowledged'))
    }
    expect(seen.slice(-5)).toEqual(['create', 'write', 'datasync', 'syncFolder', 'acknowledged'])
  })

  test('closing waits for what was appended, and takes nothing more', async () => {
    const disk = new Disk()
    const life = await live(disk)
    const outcomes: string[] = []
    for (const id of [1, 2]) void life.append(id).then(outcome => outcomes.push(outcome))
    await life.ledger.close()
    expect(outcomes).toEqual(['done', 'done'])
    expect(await life.append(3)).toBe('closed')
    expect(countsOf(disk, 'close')).toBe(1)
  })
})
