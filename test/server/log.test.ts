import { writeSync } from 'node:fs'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { formatNetwork, maskNetwork } from '@oneknock/shared'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Event } from '../../server/src/core/events.ts'
import { createLog, inOneWrite } from '../../server/src/log.ts'
import { laterLog, logEvent } from '../../server/src/trail.ts'
import { addr, NOON, network } from './kit.ts'

vi.mock(import('node:fs'), async original => ({ ...(await original()), writeSync: vi.fn() }))

afterEach(() => {
  vi.restoreAllMocks()
})

/** What a person at a terminal sees of one line. */
function shown(fields: object, line: string, level: 'info' | 'warn' | 'error' = 'info'): string {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  createLog(true, false)[level](fields, line)
  const text = write.mock.calls.map(([chunk]) => `${chunk}`).join('')
  write.mockRestore()
  return text
}

describe('a line at a terminal', () => {
  it('is readable', () => {
    expect(shown({ device: 'alice/laptop', lifetime: 30 }, 'opened')).toMatch(
      /^\d\d:\d\d:\d\d opened device=alice\/laptop lifetime=30\n$/,
    )
    expect(shown({ error: 'no such file' }, 'hook', 'error')).toContain(
      'error: hook error="no such file"\n',
    )
  })

  it('is one line, and holds nothing that a terminal would obey', () => {
    const bad = '\x1b]0;owned\x07\x9b31m\nfake line\r\x7f'
    for (const text of [shown({ error: bad }, 'hook'), shown({}, bad)]) {
      expect(text.slice(0, -1)).toMatch(/^[\x20-\x7e]*$/)
      expect(text).toContain('owned')
    }
  })
})

describe('lines for machines', () => {
  const writes: string[] = []
  const log = createLog(false, false)

  beforeEach(() => {
    writes.length = 0
    vi.mocked(writeSync).mockImplementation((_, bytes) => {
      // As a pipe that is nearly full: what it does not take is offered again.
      const taken = `${bytes}`.slice(0, 100)
      writes.push(taken)
      return taken.length
    })
  })

  const said = () =>
    writes
      .join('')
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line).msg)

  it('leave at once', () => {
    log.info('one')
    expect(said()).toEqual(['one'])
    log.info('two')
    expect(said()).toEqual(['one', 'two'])
    expect(writes).toHaveLength(2)
  })

  it('leave in one write where they come together, whole and in order', () => {
    inOneWrite(() => {
      log.info('one')
      log.info('two')
      expect(writes).toEqual([])
    })
    expect(said()).toEqual(['one', 'two'])
    expect(writes[0]).toHaveLength(100)
    log.info('three')
    expect(said()).toEqual(['one', 'two', 'three'])
  })

  it('are not lost with what fails among them', () => {
    const fails = () => {
      log.info('one')
      throw new Error('that')
    }
    expect(() => inOneWrite(fails)).toThrow('that')
    log.info('two')
    expect(said()).toEqual(['one', 'two'])
  })

  it('are whole, though a reader that is too slow costs some', () => {
    const isFull = new Error('EAGAIN: resource temporarily unavailable, write')
    const taken = [100, 'full', 'full', 7, 'full', 1000, 1000] as const
    let call = 0
    vi.mocked(writeSync).mockImplementation((_, bytes) => {
      const most = taken[call++]!
      if (most === 'full') throw isFull
      writes.push(`${bytes}`.slice(0, most))
      return writes.at(-1)!.length
    })
    inOneWrite(() => {
      for (const line of ['one', 'two', 'three']) log.info(line)
    })
    log.info('four')
    log.info('five')
    log.info('six')
    log.info('seven')
    expect(call).toBe(taken.length)
    expect(said()).toEqual(['one', 'two', 'six', 'seven'])
  })

  it('come after the turn in which their events came on record', async () => {
    const tell = laterLog(log)
    tell({ event: 'note', what: 'started' })
    tell({ event: 'unlocked', user: 'alice' })
    await Promise.resolve()
    expect(writes).toEqual([])
    await turnOfTheLoop()
    expect(said()).toEqual(['started', 'unlocked'])
    tell({ event: 'note', what: 'stopped' })
    await turnOfTheLoop()
    expect(said()).toEqual(['started', 'unlocked', 'stopped'])
  })
})

describe('what the log says of an event', () => {
  const lines: object[] = []
  const log = pino(
    { base: null, timestamp: false },
    { write: line => lines.push(JSON.parse(line)) },
  )
  const grant = {
    id: '00000000000000aa',
    user: 'alice',
    device: 'alice/laptop',
    services: ['ssh'],
    networks: [network('203.0.113.7')],
    sentAt: NOON,
    until: NOON + 30_000,
  }
  const knock = {
    event: 'knock',
    tag: 'ab'.repeat(32),
    device: 'alice/laptop',
    user: 'alice',
    enrolledAt: 0,
    sentAt: NOON,
    knock: '00000000000000bb',
    verb: 'open',
    source: '203.0.113.7',
    services: ['ssh'],
    factor: 'totp',
  } as const
  const outcome = {
    status: 'opened',
    reason: 'none',
    network: maskNetwork(addr('203.0.113.7'), 120),
    lifetime: 30,
    grant: grant.id,
    detail: 'ssh',
  } as const
  const refused = { ...outcome, status: 'refused', reason: 'locked', detail: 'until then' } as const
  const cases: [Event, object | undefined][] = [
    [
      { ...knock, outcome, grant },
      { level: 30, msg: 'opened', address: formatNetwork(outcome.network), lifetime: 30 },
    ],
    [
      { ...knock, outcome: refused },
      { level: 40, msg: 'refused', reason: 'locked', device: 'alice/laptop' },
    ],
    [
      { ...knock, verb: 'close', outcome: { ...outcome, status: 'closed' } },
      { level: 30, msg: 'closed', services: 'ssh' },
    ],
    [
      { event: 'failed', grant: grant.id, device: 'alice/laptop', service: 'ssh', error: 'no' },
      { level: 50, service: 'ssh', error: 'no' },
    ],
    [
      { event: 'narrowed', grant, error: 'no' },
      { level: 50, grant: grant.id },
    ],
    [
      { event: 'cut', grant: grant.id, user: 'alice', services: ['ssh'] },
      { level: 30, msg: 'cut', user: 'alice', services: ['ssh'] },
    ],
    [
      { event: 'ended', grant: grant.id, user: 'alice', why: 'expired' },
      { level: 30, msg: 'ended', why: 'expired' },
    ],
    [
      { event: 'unlocked', user: 'alice' },
      { level: 30, msg: 'unlocked' },
    ],
    [
      { event: 'note', what: 'started' },
      { level: 30, msg: 'started' },
    ],
    [{ event: 'ending', grant: grant.id, user: 'alice', why: 'administrator' }, undefined],
    [{ event: 'seen', tag: 'ab', device: 'alice/laptop', sentAt: NOON, reason: 'none' }, undefined],
  ]

  it.each(cases)('%o', (event, expected) => {
    lines.length = 0
    logEvent(log, event)
    expect(lines).toMatchObject(expected ? [expected] : [])
    expect(JSON.stringify(lines)).not.toContain(knock.tag)
  })
})
