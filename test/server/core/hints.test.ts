import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HintTable } from '../../../server/src/core/hints.ts'
import { MacStates } from '../../../server/src/core/macs.ts'
import {
  deriveKey,
  EPOCH_MS,
  epochOf,
  hintAt,
  PACKET_BYTES,
  writeU32,
  writeU64,
} from '../../../shared/src/index.ts'
import { FRESHNESS_MS, NOON } from '../kit.ts'

const REACH = FRESHNESS_MS / EPOCH_MS

const keyOf = (seed: number) => {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(0, seed)
  return key
}

const hintKeys = new Map<number, Uint8Array>()

/** A packet of that key's holder, as far as a hint table reads it. */
function datagram(seed: number, epoch: number): Uint8Array {
  const hintKey = hintKeys.get(seed) ?? deriveKey(keyOf(seed), 'hint')
  hintKeys.set(seed, hintKey)
  const bytes = new Uint8Array(PACKET_BYTES)
  bytes.set(hintAt(hintKey, epoch))
  return bytes
}

/** Every device that the packet's hint leads to. */
function found(table: HintTable, bytes: Uint8Array, now: number): number[] {
  const devices: number[] = []
  for (let place = table.find(bytes, now); place >= 0; place = table.find(bytes, now, place)) {
    devices.push(table.deviceAt(place))
  }
  return devices.sort((a, b) => a - b)
}

const prepareAll = (table: HintTable, now: number) => {
  while (table.prepare(now, 1000));
}

/** Few seeds, so that keys are shared between devices, as a collision of hints would be. */
const seed = fc.integer({ min: 1, max: 6 })
const step = fc.oneof(
  fc.record({ do: fc.constant('add' as const), seed }),
  fc.record({ do: fc.constant('remove' as const), which: fc.nat(20) }),
  fc.record({ do: fc.constant('prepare' as const), count: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ do: fc.constant('pass' as const), minutes: fc.integer({ min: -7, max: 7 }) }),
)

describe('the hint table', () => {
  it('finds what a plain map would, whatever was added, removed and prepared when', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const table = new HintTable(FRESHNESS_MS)
        const devices = new Map<number, number>()
        let now = NOON
        for (const one of steps) {
          if (one.do === 'add') devices.set(table.add(keyOf(one.seed)), one.seed)
          if (one.do === 'remove') {
            const device = [...devices.keys()][one.which]
            if (device === undefined) continue
            table.remove(device)
            devices.delete(device)
          }
          if (one.do === 'prepare') table.prepare(now, one.count)
          if (one.do === 'pass') now += one.minutes * EPOCH_MS
          check(table, devices, now, 'some')
        }
        prepareAll(table, now)
        check(table, devices, now, 'all')
      }),
      { numRuns: 120 },
    )
  })

  /** Half prepared, it finds no more than it should; prepared, everything. */
  function check(
    table: HintTable,
    devices: ReadonlyMap<number, number>,
    now: number,
    how: 'some' | 'all',
  ) {
    for (let seed = 1; seed <= 6; seed++) {
      const holders = [...devices].flatMap(([device, its]) => (its === seed ? [device] : []))
      for (let away = -REACH - 2; away <= REACH + 2; away++) {
        const expected = Math.abs(away) <= REACH ? holders.sort((a, b) => a - b) : []
        const packet = datagram(seed, epochOf(now) + away)
        const mayHave = table.mayHave(packet)
        const seen = found(table, packet, now)
        if (seen.length > 0) expect(mayHave).toBe(true)
        if (how === 'all') expect(seen).toEqual(expected)
        else expect(expected).toEqual(expect.arrayContaining(seen))
      }
    }
  }

  it('is current as soon as no packet of the window is missed, with the minute ahead still to do', () => {
    const table = new HintTable(FRESHNESS_MS)
    for (let seed = 1; seed <= 9; seed++) table.add(keyOf(seed))
    let more = true
    do more = table.prepare(NOON, 4)
    while (!table.isCurrent)
    expect(more).toBe(true)
    for (let minute = -REACH; minute <= REACH; minute++) {
      expect(found(table, datagram(9, epochOf(NOON) + minute), NOON)).toEqual([8])
    }
  })

  it('has the next minute ready before it comes', () => {
    const table = new HintTable(FRESHNESS_MS)
    const device = table.add(keyOf(1))
    prepareAll(table, NOON)
    const later = NOON + EPOCH_MS
    expect(found(table, datagram(1, epochOf(later) + REACH), later)).toEqual([device])
  })

  it('makes room for a minute piece by piece, and nothing is left in it of one that is over', () => {
    const table = new HintTable(FRESHNESS_MS)
    const count = 2000
    for (let seed = 0; seed < count; seed++) table.add(keyOf(seed))
    prepareAll(table, NOON)
    const before = datagram(7, epochOf(NOON) - REACH)
    expect(found(table, before, NOON)).toEqual([7])

    // Twice: one left half cleared when the clock steps is cleared again from its beginning.
    for (const now of [NOON + EPOCH_MS, NOON + 3 * EPOCH_MS]) {
      expect(table.mayHave(before)).toBe(true)
      for (let call = 0; call < 30; call++) expect(table.prepare(now, 1)).toBe(true)
    }
    const now = NOON + 3 * EPOCH_MS
    prepareAll(table, now)
    for (let seed = 0; seed < count; seed += 19) {
      for (let away = -REACH - 3; away <= REACH; away++) {
        const packet = datagram(seed, epochOf(now) + away)
        expect(found(table, packet, now)).toEqual(away < -REACH ? [] : [seed])
      }
    }
  })

  it('finds a device in the tick in which it is added', () => {
    const table = new HintTable(FRESHNESS_MS)
    prepareAll(table, NOON)
    for (let seed = 1; seed <= 100; seed++) {
      const device = table.add(keyOf(seed))
      expect(found(table, datagram(seed, epochOf(NOON)), NOON)).toEqual([device])
    }
  })

  it('leaves nothing of removed devices: not in time, not in memory, not for a wiped key', () => {
    const table = new HintTable(FRESHNESS_MS)
    prepareAll(table, NOON)
    let highest = 0
    for (let seed = 1; seed <= 2000; seed++) {
      const device = table.add(keyOf(seed))
      highest = Math.max(highest, device)
      table.remove(device)
    }
    expect(highest).toBe(0)
    prepareAll(table, NOON + 10 * EPOCH_MS)
    // What the hints under a wiped key would be, anybody can compute.
    const minute = new Uint8Array(8)
    writeU64(minute, 0, epochOf(NOON) + 10)
    const wiped = new MacStates()
    wiped.wipe(0)
    const bytes = new Uint8Array(PACKET_BYTES)
    wiped
      .sign(0, minute, minute.length)
      .slice(0, 2)
      .forEach((word, i) => {
        writeU32(bytes, 4 * i, word)
      })
    expect(found(table, bytes, NOON + 10 * EPOCH_MS)).toEqual([])
  })

  it('holds 100,000 devices', () => {
    const table = new HintTable(0)
    const count = 100_000
    for (let seed = 0; seed < count; seed++) table.add(keyOf(seed))
    prepareAll(table, NOON)
    for (let seed = 0; seed < count; seed += 97) {
      expect(found(table, datagram(seed, epochOf(NOON)), NOON)).toEqual([seed])
    }
    for (let seed = count; seed < count + 500; seed++) {
      expect(found(table, datagram(seed, epochOf(NOON)), NOON)).toEqual([])
    }
    for (let device = 0; device < count; device += 2) table.remove(device)
    expect(found(table, datagram(96, epochOf(NOON)), NOON)).toEqual([])
    expect(found(table, datagram(97, epochOf(NOON)), NOON)).toEqual([97])
  }, 120_000)
})
