import fc from 'fast-check'
import { expect, test } from 'vitest'
import { verifyLedger } from '../../../server/src/ledger/read.ts'
import { Disk, FOLDER, type Interfere } from './disk.ts'
import { live, tryToLive, turns } from './kit.ts'

/** One run of a daemon: what it appends in each turn, what goes wrong meanwhile, and how it ends. */
const aLife = fc.record({
  batches: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 8 }),
  text: fc.string({ unit: 'grapheme', maxLength: 300 }),
  maxFileBytes: fc.constantFrom(1, 700, 5_000),
  applies: fc.constantFrom('when appended', 'when acknowledged'),
  crashAt: fc.integer({ min: 0, max: 90 }),
  faults: fc.dictionary(
    fc.integer({ min: 0, max: 90 }).map(String),
    fc.constantFrom('EIO', 'ENOSPC', 1, 100),
    { maxKeys: 4 },
  ),
  end: fc.constantFrom('kill', 'power cut'),
  fate: fc.array(fc.nat(), { minLength: 1, maxLength: 20 }),
})

test('whatever crashes and fails, nothing acknowledged is lost and nothing else is made up', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aLife, { minLength: 1, maxLength: 6 }), async lives => {
      let disk = new Disk()
      let id = 0
      const acknowledged = new Set<number>()
      for (const { batches, text, crashAt, faults, end, fate, ...options } of lives) {
        disk.interfere = interfereWith(faults, crashAt)
        const life = await Promise.race([tryToLive(disk, options), disk.stopped])
        if (life?.ok) {
          expect([...life.value.ids]).toEqual(expect.arrayContaining([...acknowledged]))
          expect(Math.max(0, ...life.value.ids)).toBeLessThanOrEqual(id)
          expectInOrder(life.value.replayed)
          const appends: Promise<void>[] = []
          for (const size of batches) {
            for (let i = 0; i < size; i++) {
              const mine = ++id
              const done = life.value.append(mine, text)
              appends.push(done.then(how => void (how === 'done' && acknowledged.add(mine))))
            }
            await turns(3)
          }
          await Promise.race([Promise.all(appends), disk.stopped])
          await turns(2)
        } else if (life) {
          expect(life.error.code).toBe('ledger-unreadable')
        }
        let drawn = 0
        const choose = (choices: number) => fate[drawn++ % fate.length]! % choices
        disk = end === 'kill' ? new Disk(disk.contents()) : disk.afterPowerCut(choose)
      }
      const last = await live(disk)
      expect([...last.ids]).toEqual(expect.arrayContaining([...acknowledged]))
      expect(await verifyLedger(FOLDER, disk)).toMatchObject({
        ok: true,
        value: { head: last.ledger.head() },
      })
    }),
    { numRuns: 300 },
  )
})

test('cut at any byte behind the last sync, it opens with what was acknowledged', async () => {
  const disk = new Disk()
  const life = await live(disk)
  await Promise.all([1, 2].map(id => life.append(id)))
  const synced = life.ledger.head()
  disk.interfere = operation => (operation === 'datasync' ? 'crash' : undefined)
  void [3, 4, 5].map(id => life.append(id))
  await disk.stopped

  const [path, whole] = [...disk.contents()][0]!
  const lines = whole.toString().split('\n')
  const start = whole.length - lines.slice(-4).join('\n').length
  for (let length = start; length < whole.length; length++) {
    const again = await live(new Disk(new Map([[path, whole.subarray(0, length)]])))
    expect(again.replayed.map(({ event }) => event.id)).toEqual([1, 2])
    expect(again.ledger.head().seq).toBe(synced.seq + 1)
    const cut = { kind: 'cut', file: path, line: 4, bytes: length - start }
    expect(again.notes.filter(({ kind }) => kind === 'cut')).toEqual(
      length === start ? [] : [expect.objectContaining(cut)],
    )
  }
  const again = await live(new Disk(new Map([[path, whole]])))
  expect(again.replayed.map(({ event }) => event.id)).toEqual([1, 2, 3, 4, 5])
})

test('a power cut that kept the end of a group and lost a block from its middle is a crash', async () => {
  const disk = new Disk()
  const life = await live(disk)
  await life.append(1)
  const before = [...disk.contents().values()][0]!.length
  await Promise.all([2, 3, 4].map(id => life.append(id, 'x'.repeat(600))))
  const [path, whole] = [...disk.contents()][0]!
  const holed = Buffer.from(whole).fill(0, before + 900, before + 900 + 512)
  const again = await live(new Disk(new Map([[path, holed]])))
  expect([...again.ids]).toEqual([1])

  await life.append(5)
  const later = [...disk.contents().values()][0]!.subarray(whole.length)
  const refused = await tryToLive(new Disk(new Map([[path, Buffer.concat([holed, later])]])))
  expect(refused).toMatchObject({ ok: false, error: { code: 'ledger-damaged', line: 4 } })
})

test('a file whose opening was cut short is skipped, and the one before counts', async () => {
  const disk = new Disk()
  const life = await live(disk)
  await life.append(1)
  await life.ledger.close()
  const first = disk.contents()
  const second = await live(disk)
  await second.ledger.close()
  const [path, opening] = [...disk.contents()][1]!
  for (let length = 0; length < opening.length; length++) {
    const torn = new Disk(new Map([...first, [path, opening.subarray(0, length)]]))
    const again = await live(torn)
    expect([...again.ids]).toEqual([1])
    expect(again.notes[0]).toMatchObject({ kind: 'skipped', file: path, bytes: length })
    expect([...torn.contents().keys()]).toHaveLength(3)
  }
})

function interfereWith(faults: Record<string, string | number>, crashAt: number): Interfere {
  return (operation, _path, index) => {
    if (index === crashAt) return 'crash'
    const fault = faults[index]
    return typeof fault === 'number' && operation !== 'write' ? undefined : fault
  }
}

function expectInOrder(replayed: readonly { seq: number; event: { id: number } }[]): void {
  replayed.slice(1).forEach(({ seq, event }, index) => {
    expect(seq).toBe(replayed[index]!.seq + 1)
    expect(event.id).toBeGreaterThan(replayed[index]!.event.id)
  })
}
