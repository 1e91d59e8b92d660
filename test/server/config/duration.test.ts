import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, parseDuration } from '../../../server/src/config/duration.ts'

describe('durations', () => {
  it.each([
    ['1s', 1_000],
    ['90s', 90_000],
    ['5m', 300_000],
    ['10h', 36_000_000],
    ['7d', 604_800_000],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each([
    '',
    '0s',
    '30',
    's',
    '30 s',
    '-1s',
    '+1s',
    '1.5h',
    '1h30m',
    '30S',
    '01s',
    ' 1s',
    '1s\n',
    '9999999999s',
  ])('refuses %j', text => {
    expect(parseDuration(text)).toBeUndefined()
  })

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99_999_999 }), seconds => {
        expect(parseDuration(formatDuration(seconds * 1_000))).toBe(seconds * 1_000)
      }),
    )
  })

  it('never throw, and are never nothing', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        const ms = parseDuration(text)
        expect(ms === undefined || ms >= 1_000).toBe(true)
      }),
    )
  })
})
