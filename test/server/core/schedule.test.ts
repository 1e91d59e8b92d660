import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openFor, type Schedule } from '../../../server/src/core/schedule.ts'
import { kit, service, user } from '../kit.ts'

const at = (text: string) => Date.parse(text)
const HOUR = 3600_000

const office: Schedule = {
  days: new Set([1, 2, 3, 4, 5]),
  from: 8 * 60,
  until: 18 * 60,
  zone: 'Europe/Berlin',
}
const night: Schedule = { days: new Set([5]), from: 22 * 60, until: 6 * 60, zone: 'UTC' }
const weekend: Schedule = { days: new Set([6, 0]), from: 0, until: 24 * 60, zone: 'UTC' }

describe('a schedule', () => {
  it.each([
    // 21 November 2026 is a Saturday; Berlin is an hour ahead of UTC in winter, two in summer.
    ['a Friday morning', office, '2026-11-20T07:00:00Z', 10 * HOUR],
    ['a second before it opens', office, '2026-11-20T06:59:59Z', 0],
    ['a second before it closes', office, '2026-11-20T16:59:59Z', 1000],
    ['when it closes', office, '2026-11-20T17:00:00Z', 0],
    ['in summer', office, '2026-07-01T06:00:00Z', 10 * HOUR],
    ['a Saturday', office, '2026-11-21T10:00:00Z', 0],
    ['the night it names', night, '2026-11-20T22:30:00Z', 7.5 * HOUR],
    ['the morning after', night, '2026-11-21T05:59:00Z', 60_000],
    ['the night before', night, '2026-11-20T05:00:00Z', 0],
    ['the night after', night, '2026-11-21T22:30:00Z', 0],
    ['two whole days', weekend, '2026-11-21T12:00:00Z', 36 * HOUR],
    ['the second of them', weekend, '2026-11-22T12:00:00Z', 12 * HOUR],
  ])('%s', (_, schedule, time, left) => {
    expect(openFor(schedule, at(time))).toBe(left)
  })

  it('is open for just as long as it says, and closed then', () => {
    const schedules = fc.record({
      days: fc.uniqueArray(fc.integer({ min: 0, max: 6 })).map(days => new Set(days)),
      from: fc.integer({ min: 0, max: 1439 }),
      until: fc.integer({ min: 1, max: 1440 }),
      zone: fc.constantFrom('UTC', 'Asia/Kolkata', 'America/Phoenix'),
    })
    const times = fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2027-01-01T00:00:00Z') })
    fc.assert(
      fc.property(
        schedules,
        times,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (one, now, part) => {
          const left = openFor(one, now)
          if (left === 0) return
          const later = Math.floor(part * (left - 1))
          expect(openFor(one, now + later)).toBe(left - later)
          // What follows at once can only be a window of its own.
          if (one.days.size === 1) expect(openFor(one, now + left)).toBe(0)
        },
      ),
    )
  })
})

describe('policy keeps to it', () => {
  it('a knock outside is refused with its own reason, and one inside ends with the schedule', async () => {
    const k = kit({
      services: [service('ssh', { schedule: office, lifetime: 3600 }), service('wiki')],
    })
    k.clock.wall = at('2026-11-20T16:30:00Z')
    while (k.keyring.hints.prepare(k.clock.now(), 1000));
    const users = [
      user('alice', 1, {
        devices: user('alice', 1).devices.map(one => ({ ...one, enrolledAt: k.clock.wall })),
      }),
    ]
    k.setDirectory(users)
    expect(await k.send(k.packet({ factor: k.code() }))).toMatchObject({
      status: 'opened',
      lifetime: 1800,
    })
    k.clock.pass(HOUR)
    while (k.keyring.hints.prepare(k.clock.now(), 1000));
    expect(await k.send(k.packet({ factor: k.code() }))).toMatchObject({
      reason: 'schedule',
      detail: 'ssh',
    })
  })

  it('of the user, with their cap and their networks', async () => {
    const alice = user('alice', 1, {
      maxLifetime: 10,
      networks: [{ address: '203.0.113.0' as never, prefix: 120 }],
    })
    const k = kit({ users: [alice] })
    expect(await k.send(k.packet({ factor: k.code() }), '198.51.100.1')).toMatchObject({
      reason: 'address',
    })
    expect(await k.send(k.packet({ factor: k.code(1) }))).toMatchObject({
      status: 'opened',
      lifetime: 10,
    })
  })
})
