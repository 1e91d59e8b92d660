import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeGroup, GENESIS, parseLine } from '../../../server/src/ledger/lines.ts'
import { verifyLedger } from '../../../server/src/ledger/read.ts'
import { Disk, FOLDER, pathOf } from './disk.ts'
import { live, openingOf, tryToLive } from './kit.ts'

/** Three files; the last one holds a group of one line and one of three behind its checkpoint. */
async function threeFiles(text = ''): Promise<Disk> {
  const disk = new Disk()
  for (const id of [1, 2, 3]) {
    const life = await live(disk)
    await life.append(id)
    await Promise.all([10, 20, 30].map(more => life.append(id + more, text)))
    await life.ledger.close()
  }
  return disk
}

const flipped = (bytes: Buffer, bit: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy[bit >> 3]! ^= 1 << (bit & 7)
  return copy
}

const lineAt = (bytes: Buffer, offset: number): number =>
  bytes.subarray(0, offset).toString('latin1').split('\n').length

describe('a flipped bit', () => {
  test('anywhere in the newest file, is refused with its line', async () => {
    const contents = (await threeFiles()).contents()
    const path = pathOf(3)
    const bytes = contents.get(path)!
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = new Disk(new Map([...contents, [path, flipped(bytes, bit)]]))
      const opened = await tryToLive(damaged)
      const line = lineAt(bytes, bit >> 3)
      const error = { code: 'ledger-damaged', file: path, line }
      if (opened.ok || opened.error.code !== 'ledger-damaged' || opened.error.line !== line) {
        expect({ bit, opened }).toMatchObject({ bit, opened: { ok: false, error } })
      }
    }
  }, 60_000)

  test('anywhere in any file, is found by verifying', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.nat(), async (text, at) => {
        const contents = (await threeFiles(text)).contents()
        const [path, bytes] = [...contents][at % 3]!
        const bit = at % (bytes.length * 8)
        const damaged = new Disk(new Map([...contents, [path, flipped(bytes, bit)]]))
        const line = lineAt(bytes, bit >> 3)
        expect(await verifyLedger(FOLDER, damaged)).toMatchObject({
          ok: false,
          error: { code: 'ledger-damaged', file: path, line },
        })
      }),
      { numRuns: 300 },
    )
  })

  test('behind the last mark changes nothing, or is refused there', async () => {
    const contents = (await threeFiles()).contents()
    const path = pathOf(3)
    const bytes = contents.get(path)!
    const marked = bytes.indexOf('\n', bytes.lastIndexOf(',"commit":1,')) + 1
    for (const length of [marked + 1, marked + 50, bytes.length - 40]) {
      const torn = bytes.subarray(0, length)
      for (let bit = (marked - 1) * 8; bit < length * 8; bit++) {
        const opened = await tryToLive(new Disk(new Map([...contents, [path, flipped(torn, bit)]])))
        const line = lineAt(torn, bit >> 3)
        if (bit < marked * 8 || !opened.ok)
          expect(opened).toMatchObject({ ok: false, error: { line } })
        else expect(opened.value.replayed.map(({ event }) => event.id)).toEqual([3])
      }
    }
  })
})

describe('what is missing', () => {
  test('a line in the middle: refused where the next one stands', async () => {
    const contents = (await threeFiles()).contents()
    const lines = contents.get(pathOf(3))!.toString().split('\n')
    const short = Buffer.from(lines.toSpliced(2, 1).join('\n'))
    expect(await tryToLive(new Disk(new Map([...contents, [pathOf(3), short]])))).toMatchObject({
      ok: false,
      error: { code: 'ledger-damaged', file: pathOf(3), line: 3, wrong: 'sequence' },
    })
  })

  test('a line whose neighbours were numbered anew: the hash tells', async () => {
    const contents = (await threeFiles()).contents()
    const lines = contents.get(pathOf(3))!.toString().split('\n')
    const next = lines[2]!.replace('"seq":13', '"seq":12')
    const short = Buffer.from(lines.toSpliced(1, 2, next).join('\n'))
    expect(await tryToLive(new Disk(new Map([...contents, [pathOf(3), short]])))).toMatchObject({
      ok: false,
      error: { line: 2, wrong: 'hash' },
    })
  })

  test('the file before a torn opening: refused, since codes used since would be forgotten', async () => {
    const contents = (await threeFiles()).contents()
    contents.delete(pathOf(3))
    contents.set(pathOf(4), Buffer.from('{"seq":15,"at":18'))
    const opened = await tryToLive(new Disk(contents))
    expect(opened).toMatchObject({
      ok: false,
      error: { code: 'ledger-damaged', file: pathOf(3), line: 0, wrong: 'missing' },
    })
    expect(opened.ok || opened.error.message).toContain('oneknockd audit repair')
  })

  test('an old file between others: it opens, and verifying names the file', async () => {
    const contents = (await threeFiles()).contents()
    contents.delete(pathOf(2))
    const disk = new Disk(contents)
    expect(await verifyLedger(FOLDER, disk)).toMatchObject({
      ok: false,
      error: { file: pathOf(2), line: 0, wrong: 'missing' },
    })
    expect((await tryToLive(disk)).ok).toBe(true)
  })

  test('the end of an old file: verifying names the first line that is not there', async () => {
    const contents = (await threeFiles()).contents()
    const bytes = contents.get(pathOf(2))!
    contents.set(pathOf(2), bytes.subarray(0, -20))
    expect(await verifyLedger(FOLDER, new Disk(contents))).toMatchObject({
      ok: false,
      error: { file: pathOf(2), line: 3, wrong: 'short' },
    })
  })

  test('old files that were archived: all is well', async () => {
    const contents = (await threeFiles()).contents()
    contents.delete(pathOf(1))
    contents.delete(pathOf(2))
    const disk = new Disk(contents)
    expect(await verifyLedger(FOLDER, disk)).toMatchObject({
      ok: true,
      value: { files: 1, lines: 5, head: { seq: 15 } },
    })
    expect([...(await live(disk)).ids].sort((a, b) => a - b)).toEqual(
      [1, 2, 3].flatMap(id => [id, id + 10, id + 20, id + 30]).sort((a, b) => a - b),
    )
  })
})

test('a file that goes on from elsewhere than where the one before ends is named', async () => {
  const disk = await threeFiles()
  const other = new Disk()
  for (const id of [1, 2, 9]) {
    const life = await live(other)
    await life.append(id)
    await life.ledger.close()
  }
  const mixed = new Disk(
    new Map([...disk.contents(), [pathOf(3), other.contents().get(pathOf(3))!]]),
  )
  expect(await verifyLedger(FOLDER, mixed)).toMatchObject({
    ok: false,
    error: { file: pathOf(3), line: 1, wrong: 'link' },
  })
})

test('a mark that does not count its group is damage', async () => {
  const json = JSON.stringify({ event: 'counted', id: 1 })
  const opening = await openingOf(undefined, 1, [], true)
  const two = encodeGroup(opening.head, [
    { at: 1, json },
    { at: 1, json },
  ]).bytes
  const first = two.subarray(0, two.indexOf('\n') + 1)
  const parsed = parseLine(first.subarray(0, -1), opening.head)
  if (!parsed.ok) throw new Error(parsed.error)
  const { bytes } = encodeGroup(parsed.value, [{ at: 1, json }])
  const disk = new Disk(new Map([[pathOf(1), Buffer.concat([...opening.chunks, first, bytes])]]))
  const opened = await tryToLive(disk)
  expect(opened).toMatchObject({ ok: false, error: { line: 3, wrong: 'commit' } })
})

test('a checkpoint of a later format is refused, not misread', async () => {
  const event = { event: 'checkpoint', format: 2, after: null, state: [] }
  const { bytes } = encodeGroup(GENESIS, [{ at: 1, json: JSON.stringify(event) }])
  const opened = await tryToLive(new Disk(new Map([[pathOf(1), bytes]])))
  expect(opened).toMatchObject({ ok: false, error: { line: 1, wrong: 'checkpoint' } })
})
