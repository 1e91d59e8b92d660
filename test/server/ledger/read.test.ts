import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemFiles } from '../../../server/src/ledger/files.ts'
import { readEntries, verifyLedger, type Which } from '../../../server/src/ledger/read.ts'
import { type RepairOptions, repairLedger } from '../../../server/src/ledger/repair.ts'
import { Disk, FOLDER, pathOf } from './disk.ts'
import { type Counted, live, tryToLive } from './kit.ts'

async function idsOf(disk: Disk, which?: Which): Promise<number[]> {
  const ids: number[] = []
  for await (const entry of readEntries<Counted>(FOLDER, disk, which)) {
    if (!entry.ok) throw new Error(entry.error.message)
    ids.push(entry.value.event.id)
  }
  return ids
}

const upTo = (last: number, first = 1): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index)

describe('reading what was recorded', () => {
  test('gives every entry once, in order, across files', async () => {
    const disk = new Disk()
    const life = await live(disk, { maxFileBytes: 600 })
    for (const id of upTo(30)) await life.append(id)
    expect(disk.contents().size).toBeGreaterThan(3)
    expect(await idsOf(disk)).toEqual(upTo(30))
  })

  test('leaves out what was never acknowledged', async () => {
    const disk = new Disk()
    const life = await live(disk)
    await life.append(1)
    disk.interfere = operation => (operation === 'datasync' ? 'EIO' : undefined)
    await life.append(2)
    disk.interfere = () => undefined
    await life.append(3)
    expect(disk.contents().get(pathOf(1))!.toString()).toContain('"id":2')
    expect(await idsOf(disk)).toEqual([1, 3])
  })

  test('from a line or a time on reads no older file than it needs', async () => {
    const disk = new Disk()
    let ms = 1_000
    const life = await live(disk, { maxFileBytes: 600, now: () => ms })
    for (const id of upTo(30)) {
      ms = 1_000 * id
      await life.append(id)
    }
    expect(await idsOf(disk, { since: 25_000 })).toEqual(upTo(30, 25))
    const { seq } = life.ledger.head()
    expect(await idsOf(disk, { fromSeq: seq - 1 })).toEqual([29, 30])

    disk.interfere = (operation, path) =>
      operation === 'read' && path === pathOf(1) ? 'EIO' : undefined
    expect(await idsOf(disk, { since: 25_000 })).toEqual(upTo(30, 25))
    await expect(idsOf(disk)).rejects.toThrow('EIO')
  })

  test('ends where it cannot be trusted, and says so', async () => {
    const disk = new Disk()
    const life = await live(disk)
    for (const id of upTo(5)) await life.append(id)
    const text = disk.contents().get(pathOf(1))!.toString().replace('"id":4', '"id":9')
    const entries = []
    const damaged = new Disk(new Map([[pathOf(1), Buffer.from(text)]]))
    for await (const entry of readEntries<Counted>(FOLDER, damaged)) entries.push(entry)
    expect(entries).toHaveLength(4)
    expect(entries.at(-1)).toMatchObject({ ok: false, error: { file: pathOf(1), line: 5 } })
  })

  test('an empty folder holds an empty ledger', async () => {
    expect(await idsOf(new Disk())).toEqual([])
    expect(await verifyLedger(FOLDER, new Disk())).toMatchObject({
      ok: true,
      value: { files: 0, lines: 0, head: { seq: 0 } },
    })
  })
})

describe('repairing', () => {
  let folder: string
  const options = (changes: Partial<RepairOptions> = {}): RepairOptions => ({
    folder,
    files: systemFiles,
    now: () => 77,
    acceptForgetting: true,
    ...changes,
  })
  const fileAt = (number: number) => join(folder, basename(pathOf(number)))
  const openOnce = async (...ids: number[]) => {
    const life = await live(systemFiles, { folder })
    for (const id of ids) await life.append(id)
    await life.ledger.close()
    return [...life.ids]
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'oneknock-repair-'))
    await openOnce(1, 2)
    await openOnce(3, 4, 5)
  })
  afterEach(() => rm(folder, { recursive: true }))

  async function damage(number: number, change: (text: string) => string): Promise<string> {
    const text = change(await readFile(fileAt(number), 'utf8'))
    await writeFile(fileAt(number), text)
    return text
  }

  test('changes nothing unless forgetting is accepted', async () => {
    await damage(2, text => text.replace('"id":4', '"id":9'))
    const before = await readdir(folder)
    const refused = await repairLedger(options({ acceptForgetting: false }))
    expect(refused).toMatchObject({ ok: false, error: { code: 'not-accepted' } })
    expect(refused.ok || refused.error.message).toContain('line 3')
    expect(await readdir(folder)).toEqual(before)
  })

  test('keeps what is proven before the damage, and the damaged file beside it', async () => {
    const text = await damage(2, text => text.replace('"id":4', '"id":9'))
    const repaired = await repairLedger(options())
    const aside = `${fileAt(2)}.damaged-77`
    expect(repaired).toMatchObject({ ok: true, value: [{ file: fileAt(2), aside }] })
    expect(await readFile(aside, 'utf8')).toBe(text)
    expect((await stat(fileAt(2))).mode & 0o777).toBe(0o600)
    expect(await openOnce(6)).toEqual([1, 2, 3, 6])
    expect((await verifyLedger(folder, systemFiles)).ok).toBe(true)
  })

  test('goes back to the file before if the checkpoint itself is damaged', async () => {
    await damage(2, text => text.replace('checkpoint', 'checkpaint'))
    expect((await tryToLive(systemFiles, { folder })).ok).toBe(false)
    expect(await repairLedger(options())).toMatchObject({ ok: true, value: [{ keptBytes: 0 }] })
    expect(await openOnce()).toEqual([1, 2])
  })

  test('goes back over a file that is missing', async () => {
    await openOnce()
    await damage(3, text => text.slice(0, 40))
    await rm(fileAt(2))
    expect(await repairLedger(options())).toMatchObject({
      ok: true,
      value: [{ file: fileAt(3), keptBytes: 0, lostBytes: 40 }],
    })
    expect(await openOnce()).toEqual([1, 2])
  })

  test('leaves a sound ledger alone', async () => {
    expect(await repairLedger(options({ acceptForgetting: false }))).toEqual({
      ok: true,
      value: [],
    })
  })
})
