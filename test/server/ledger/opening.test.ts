import { describe, expect, test } from 'vitest'
import { Members, membersOf } from '../../../server/src/core/recorded.ts'
import { SteadyMap } from '../../../server/src/core/steady.ts'
import { verifyLedger } from '../../../server/src/ledger/read.ts'
import { Disk, FOLDER, pathOf } from './disk.ts'
import { live, turns } from './kit.ts'

/*
 * Checkpoints of a state that is far larger than what one turn of the loop puts in words, or one write
 * takes to the disk.
 */

const ENTRIES = 400
const TEXT = 'x'.repeat(10_000)

type Bulk = Record<string, string>

interface Large {
  readonly disk: Disk
  readonly map: SteadyMap<string>
  readonly append: (id: number) => Promise<string>
  readonly acknowledged: number[]
}

/** A daemon's life with such a state; each append adds to it, and every group opens a file. */
async function large(disk: Disk, entries = ENTRIES): Promise<Large> {
  const map = new SteadyMap<string>()
  for (let i = 0; i < entries; i++) map.set(`bulk ${i}`, TEXT)
  const restore = (bulk: Bulk) => {
    for (const [key, value] of Object.entries(bulk)) map.set(key, value)
  }
  const life = await live(disk, {
    maxFileBytes: 1,
    checkpoint: () => membersOf(map) as never,
    restore: bulk => restore(bulk as unknown as Bulk),
    replay: ({ event }) => map.set(`id ${event.id}`, 'replayed'),
  })
  const acknowledged: number[] = []
  const append = async (id: number) => {
    map.set(`id ${id}`, 'applied')
    const outcome = await life.append(id)
    if (outcome === 'done') acknowledged.push(id)
    return outcome
  }
  return { disk, map, append, acknowledged }
}

interface Line {
  readonly seq: number
  readonly event: string
  readonly id: number
  readonly state: Bulk
}

const linesOf = (disk: Disk, number: number): Line[] =>
  disk
    .contents()
    .get(pathOf(number))!
    .toString()
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))

const idsIn = (state: Bulk): string[] => Object.keys(state).filter(key => key.startsWith('id'))

describe('while a checkpoint is being written', () => {
  test('what happens is not in it, but in the lines behind it, in order, and not acknowledged before', async () => {
    const { disk, map, append, acknowledged } = await large(new Disk())
    await append(0) // Behind it, the first file has had its share.
    const appends: Promise<string>[] = []
    let writes = 0
    disk.interfere = (operation, path) => {
      if (operation !== 'write' || path !== pathOf(2)) return undefined
      writes++
      expect(acknowledged).toEqual([0])
      if (writes > 3) return undefined
      appends.push(append(10 * writes), append(10 * writes + 1))
      map.set('bulk 399', `changed in write ${writes}`)
      map.delete('bulk 398')
      return undefined
    }
    appends.push(append(1))
    expect(await appends[0]).toBe('done')
    expect(await Promise.all(appends)).toEqual(Array(7).fill('done'))
    expect(writes).toBeGreaterThan(3)

    const [checkpoint, ...behind] = linesOf(disk, 2)
    expect(idsIn(checkpoint!.state)).toEqual(['id 0', 'id 1'])
    expect(Object.keys(checkpoint!.state)).toHaveLength(ENTRIES + 2)
    expect(checkpoint!.state['bulk 399']).toBe(TEXT)
    expect(behind.map(({ id }) => id)).toEqual([1])
    // What came meanwhile is in the file that follows.
    const [next, ...later] = linesOf(disk, 3)
    expect(later.map(({ id }) => id)).toEqual([10, 11, 20, 21, 30, 31])
    expect(next!.state['bulk 399']).toBe('changed in write 3')
    expect(next!.state).not.toHaveProperty('bulk 398')
    expect(await verifyLedger(FOLDER, disk)).toMatchObject({ ok: true })
  })

  test('the loop goes on: little of it is put in words in one turn', async () => {
    const map = new SteadyMap<string>()
    for (let i = 0; i < 20_000; i++) map.set(`${i}`, 'x'.repeat(100))
    let sum = 0
    let inThisTurn = 0
    let most = 0
    const counting = (value: string) => {
      sum++
      most = Math.max(most, ++inThisTurn)
      return value
    }
    let over = false
    const watching = (async () => {
      for (; !over; inThisTurn = 0) await turns(1)
    })()
    await live(new Disk(), { checkpoint: () => membersOf(map, counting) as never })
    over = true
    await watching
    expect(sum).toBe(20_000)
    expect(most).toBeLessThan(400)
  })

  test.each([1, 2, 3])(
    'a disk that fails at chunk %i: appends fail, and the next checkpoint is that of later',
    async nth => {
      const { disk, map, append } = await large(new Disk())
      await append(0)
      let writes = 0
      disk.interfere = (operation, path) => {
        if (operation !== 'write' || path !== pathOf(2) || ++writes !== nth) return undefined
        map.set('bulk 0', 'changed')
        return 'EIO'
      }
      expect(await append(1)).toBe('disk')
      expect([...disk.contents().keys()]).toEqual([pathOf(1)])
      disk.interfere = () => undefined
      expect(await append(2)).toBe('done')
      const [checkpoint, ...behind] = linesOf(disk, 2)
      expect(checkpoint!.state['bulk 0']).toBe('changed')
      expect(idsIn(checkpoint!.state)).toEqual(['id 0', 'id 1', 'id 2'])
      expect(behind.map(({ id }) => id)).toEqual([2])
    },
  )

  test('its state is held until it is written or cannot be, and no longer', async () => {
    const disk = new Disk()
    let taken = 0
    let letGo = 0
    const each = {
      *[Symbol.iterator]() {
        expect(letGo).toBe(taken - 1)
        yield ['bulk', TEXT] as const
      },
    }
    const checkpoint = () => {
      taken++
      return new Members(each, () => letGo++) as never
    }
    const life = await live(disk, { maxFileBytes: 1, checkpoint })
    expect([taken, letGo]).toEqual([1, 1])
    await life.append(0)
    disk.interfere = operation => (operation === 'write' ? 'EIO' : undefined)
    expect(await life.append(1)).toBe('disk')
    expect([taken, letGo]).toEqual([2, 2])
  })

  test.each(['kill', 'power cut'])(
    'a %s leaves the file before it as what counts, wherever it comes',
    async how => {
      let steps = 1
      for (let nth = 1; nth <= steps; nth++) {
        const { disk, append, acknowledged } = await large(new Disk(), 250)
        await append(1)
        steps = 0
        disk.interfere = (operation, path) => {
          if (path !== pathOf(2) || operation === 'close') return undefined
          return ++steps === nth ? 'crash' : undefined
        }
        const appends = [append(2), append(3)]
        await Promise.race([disk.stopped, Promise.all(appends)])
        if (!disk.isStopped) break
        steps++ // There may be another one.
        expect(acknowledged).toEqual([1])
        const left = how === 'kill' ? new Disk(disk.contents()) : disk.afterPowerCut(n => n >> 1)
        const again = await large(left, 0)
        expect(again.map.has('id 1')).toBe(true)
        expect([...again.map].filter(([key]) => key.startsWith('bulk'))).toHaveLength(250)
        expect(await again.append(4)).toBe('done')
        expect(await verifyLedger(FOLDER, left)).toMatchObject({ ok: true })
      }
      // The file's name, three chunks and what goes behind them, and its sync.
      expect(steps).toBeGreaterThan(4)
    },
  )
})
