import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fail, ok, TOTP_STEP_MS } from '@oneknock/shared'
import { afterEach, describe, expect, it } from 'vitest'
import type { KnockResult } from '../../client/src/outcome.ts'
import { GAP_MAX_MS, type Happening, LOOK_MS, watch } from '../../client/src/watch.ts'
import { until } from '../server/kit.ts'
import { FakeClock } from './fake-world.ts'
import { echo, House } from './house.ts'
import { BIN, expectOneLine, Home } from './run.ts'

const SECOND = 1000
const HOUR_S = 3600

/** A watch under way, in a world that a test changes as it goes. */
class Watching {
  readonly clock = new FakeClock()
  readonly happenings: Happening[] = []
  readonly knocks: number[] = []
  readonly #stop = new AbortController()
  place: string | undefined = 'cafe'
  answer: () => KnockResult | 'no code'
  ended: unknown

  constructor(answer: (watching: Watching) => KnockResult | 'no code') {
    this.answer = () => answer(this)
    watch(
      {
        knock: async () => {
          this.knocks.push(this.clock.monotonic())
          const result = this.answer()
          return result === 'no code'
            ? fail({ code: 'command-failed', message: 'the code command ended' })
            : ok(result)
        },
        whereabouts: async () => this.place,
        on: happening => this.happenings.push(happening),
        signal: this.#stop.signal,
      },
      this.clock,
    ).then(end => {
      this.ended = end
    })
  }

  opened = (lifetime: number): KnockResult => ({
    status: 'opened',
    admitted: [],
    lifetime,
    until: this.clock.now() + lifetime * SECOND,
    grant: '00000000000000aa',
    detail: 'ssh',
    clockOffsetMs: 0,
  })

  stop(): void {
    this.#stop.abort()
  }
}

const refused = (reason: 'wrong-factor' | 'hook-failed' | 'locked' | 'denied'): KnockResult => ({
  status: 'refused',
  reason,
  source: '203.0.113.7' as never,
  detail: '',
  clockOffsetMs: 0,
})
const SILENCE: KnockResult = { status: 'no-reply', servers: [], portClosed: false }

describe('a watch', () => {
  it('renews the door before its time is up', async () => {
    const watching = new Watching(({ opened }) => opened(HOUR_S))
    await watching.clock.advance(3 * HOUR_S * SECOND)
    expect(watching.knocks).toEqual([0, 3300 * SECOND, 6600 * SECOND, 9900 * SECOND])
  })

  it('knocks no more often than there are codes, however short the door', async () => {
    const watching = new Watching(({ opened }) => opened(3))
    await watching.clock.advance(5 * TOTP_STEP_MS - 1)
    expect(watching.knocks).toEqual([0, 1, 2, 3, 4].map(n => n * TOTP_STEP_MS))
  })

  it('knocks at once when the address moves, and only then', async () => {
    const watching = new Watching(({ opened }) => opened(HOUR_S))
    await watching.clock.advance(600 * SECOND)
    expect(watching.knocks).toHaveLength(1)
    watching.place = 'train'
    await watching.clock.advance(LOOK_MS)
    expect(watching.knocks).toEqual([0, 602 * SECOND])
    expect(watching.happenings.map(({ type }) => type)).toEqual(['knocked', 'moved', 'knocked'])
  })

  it('knocks once a code when the address moves all the time', async () => {
    const watching = new Watching(({ opened }) => opened(HOUR_S))
    for (let i = 0; i < 60; i++) {
      watching.place = `cell ${i}`
      await watching.clock.advance(LOOK_MS)
    }
    expect(watching.knocks).toEqual([0, 30, 60, 90, 120].map(n => n * SECOND))
  })

  it('waits while there is no way to the server, and knocks when there is one again', async () => {
    const watching = new Watching(({ opened }) => opened(HOUR_S))
    await watching.clock.advance(60 * SECOND)
    watching.place = undefined
    await watching.clock.advance(600 * SECOND)
    expect(watching.knocks).toHaveLength(1)
    watching.place = 'cafe'
    await watching.clock.advance(LOOK_MS)
    expect(watching.knocks).toHaveLength(1)
    watching.place = 'home'
    await watching.clock.advance(LOOK_MS)
    expect(watching.knocks).toHaveLength(2)
  })

  it.each([
    ['silence', SILENCE],
    ['a hook that fails', refused('hook-failed')],
    ['no code', 'no code'],
  ] as const)('after %s tries again, less and less often', async (_what, answer) => {
    const watching = new Watching(() => answer)
    await watching.clock.advance(2 * HOUR_S * SECOND)
    const gaps = watching.knocks.slice(1).map((at, i) => at - watching.knocks[i]!)
    expect(gaps.slice(0, 6)).toEqual([30, 60, 120, 240, 300, 300].map(n => n * SECOND))
    expect(Math.max(...gaps)).toBe(GAP_MAX_MS)
    expect(watching.happenings[1]).toEqual({ type: 'waiting', ms: TOTP_STEP_MS })
  })

  it('tries soon again when the address has moved since it failed', async () => {
    const watching = new Watching(() => SILENCE)
    await watching.clock.advance(450 * SECOND)
    expect(watching.knocks).toHaveLength(5)
    watching.place = 'home'
    watching.answer = () => watching.opened(HOUR_S)
    await watching.clock.advance(TOTP_STEP_MS)
    expect(watching.knocks).toHaveLength(6)
  })

  it.each([refused('wrong-factor'), refused('locked'), refused('denied')])(
    'ends where asking again would do harm: %j',
    async result => {
      const watching = new Watching(() => result)
      await watching.clock.advance(600 * SECOND)
      expect(watching.knocks).toHaveLength(1)
      expect(watching.ended).toEqual({ kind: 'hopeless', result })
      expect(watching.clock.timers).toBe(0)
    },
  )

  it('stops when it is told to, in the middle of a wait, and leaves nothing behind', async () => {
    const watching = new Watching(({ opened }) => opened(HOUR_S))
    await watching.clock.advance(60 * SECOND)
    watching.stop()
    await watching.clock.advance(0)
    expect(watching.ended).toEqual({ kind: 'stopped' })
    expect(watching.clock.timers).toBe(0)
  })
})

describe('knock --watch', () => {
  let home: Home
  let house: House
  afterEach(async () => {
    await house?.demolish()
    home?.remove()
  })
  const build = async (...flags: string[]) => {
    home = new Home()
    house = await House.build('hangs up', echo)
    await house.invite(home, 'home', ...flags)
  }

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'ends cleanly at %s, with the door closed if that was asked',
    async signal => {
      await build('--otp-command', 'echo 123456')
      house.says = ({ knock: { verb } }) =>
        verb === 'close' ? { status: 'closed', lifetime: 0 } : {}
      const args = [BIN, 'knock', 'home', '--watch', '--close', '--json']
      const child = spawn(process.execPath, args, { env: home.env, detached: true })
      let said = ''
      child.stdout.on('data', chunk => {
        said += chunk
      })
      await until(
        () => said,
        text => text.includes('opened'),
        10_000,
      )
      child.kill(signal)
      expect(await once(child, 'close')).toEqual([0, null])
      const statuses = said
        .trim()
        .split('\n')
        .map(line => JSON.parse(line).status)
      expect(statuses).toEqual(['opened', 'closed'])
      expect(house.server.received.map(({ knock: { verb } }) => verb)).toEqual(['open', 'close'])
    },
  )

  it('ends at a refusal that stays, with its status', async () => {
    await build('--otp-command', 'echo 123456')
    house.says = () => ({ status: 'refused', reason: 'wrong-factor' })
    expectOneLine(await home.run(['knock', 'home', '--watch']), 4, 'refused')
    expect(house.knocks).toBe(1)
  })

  it('needs codes that do not end', async () => {
    await build()
    expectOneLine(await home.run(['knock', 'home', '--watch']), 1, '--otp-command')
    expectOneLine(await home.run(['knock', 'home', '--watch', '--otp', '123456']), 1, 'again')
    expectOneLine(await home.run(['knock', 'home', '--watch', '--if-needed']), 1, '--if-needed')
    expectOneLine(await home.run(['knock', 'home', '--close']), 1, '--watch')
    expect(house.knocks).toBe(0)
  })
})
