import { describe, expect, it } from 'vitest'
import { broken, hanging, layFacts, layTable } from '../../../server/src/commands/table.ts'

const HEADINGS = ['GRANT', 'SERVICES', 'UNTIL', '']
const ROWS = [
  ['3f1c00a1b2c3d4e5', 'ssh, wiki', '2026-11-28T21:25:46Z', ''],
  ['3f1c00a1b2c3d4e6', 'ssh', '2026-11-28T21:30:00Z', 'closing'],
]

describe('a table', () => {
  it('has a line for each row where there is room, and where there is no width', () => {
    const table = `GRANT             SERVICES   UNTIL
3f1c00a1b2c3d4e5  ssh, wiki  2026-11-28T21:25:46Z
3f1c00a1b2c3d4e6  ssh        2026-11-28T21:30:00Z  closing
`
    expect(layTable(HEADINGS, ROWS, 58)).toBe(table)
    expect(layTable(HEADINGS, ROWS, Number.POSITIVE_INFINITY)).toBe(table)
  })

  it('may be longer than a call may have arguments', () => {
    const rows = Array.from({ length: 300_000 }, (_, i) => [`${i}`])
    expect(layTable(['N'], rows, 80).split('\n')).toHaveLength(rows.length + 2)
  })

  it('has a line for each cell where there is not, and none for an empty one', () => {
    expect(layTable(HEADINGS, ROWS, 57)).toBe(`GRANT     3f1c00a1b2c3d4e5
SERVICES  ssh, wiki
UNTIL     2026-11-28T21:25:46Z

GRANT     3f1c00a1b2c3d4e6
SERVICES  ssh
UNTIL     2026-11-28T21:30:00Z
          closing
`)
  })
})

describe('facts', () => {
  it('keep their values beside them', () => {
    const facts = [
      ['door http', '[::]:8975 (TLS), 3 connections now; 12 opened'],
      ['memory', '79 MiB'],
    ]
    expect(layFacts(facts, 34)).toBe(`door http  [::]:8975 (TLS), 3
           connections now; 12
           opened
memory     79 MiB
`)
  })
})

describe('a line', () => {
  it('is broken between words, and a word never', () => {
    expect(broken('a bc def', 4)).toEqual(['a bc', 'def'])
    expect(broken('/a/long/path of it', 5)).toEqual(['/a/long/path', 'of it'])
    expect(broken('', 5)).toEqual([''])
  })

  it('loses the gap between cells where it is broken', () => {
    expect(broken('one  two  three', 9)).toEqual(['one  two', 'three'])
    expect(broken('one  two  three', 8)).toEqual(['one  two', 'three'])
  })

  it('hangs below its first', () => {
    expect(hanging('one two three', 11, 4)).toBe('one two\n    three')
  })
})
