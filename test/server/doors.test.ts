import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Grant } from '../../server/src/core/grants.ts'
import { type Opening, Openings, openingKey } from '../../server/src/core/openings.ts'
import { Doors, type Fault, RETRY_MAX_MS, RETRY_MS } from '../../server/src/doors.ts'
import { HookError } from '../../server/src/hooks/hook.ts'
import { MemoryHook } from '../../server/src/hooks/memory.ts'
import { barrier, HandClock, NOON, network, turns } from './kit.ts'

const LIMIT_MS = 1000

/** Says what it was asked, and fails or waits as a test tells it to. */
class LoggingHook extends MemoryHook {
  readonly calls: string[] = []
  cuts: () => void | Promise<void> = () => {}

  override async open(opening: Opening): Promise<void> {
    this.calls.push(`open ${opening.service}`)
    await super.open(opening)
  }

  override async close(opening: Opening): Promise<void> {
    this.calls.push(`close ${opening.service}`)
    await super.close(opening)
  }

  async cut({ service }: Opening): Promise<void> {
    this.calls.push(`cut ${service}`)
    await this.cuts()
  }
}

function lab() {
  const hook = new LoggingHook(['ssh', 'wiki'], new HandClock())
  const faults: Fault[] = []
  const doors = new Doors({
    hooksOf: () => [hook],
    report: fault => faults.push(fault),
    limitMs: LIMIT_MS,
  })
  return { hook, faults, doors, open: async () => (await hook.list()).map(openingKey) }
}

const grant = (id: string, changes: Partial<Grant> = {}): Grant => ({
  id,
  user: 'alice',
  device: 'alice/laptop',
  services: ['ssh'],
  networks: [network('203.0.113.7')],
  sentAt: NOON,
  until: NOON + 30_000,
  ...changes,
})

const failing = (text: string) => () => {
  throw new HookError('memory', 'failed', text)
}

const state = async <T>(promise: Promise<T>): Promise<T | 'pending'> => {
  await turns()
  return Promise.race([promise, Promise.resolve('pending' as const)])
}

describe('a door that two grants need', () => {
  it('is asked for once, and both wait until it is open', async () => {
    const { doors, hook } = lab()
    const { wait, open } = barrier()
    hook.before = () => wait
    const one = doors.need(grant('a'))
    const two = doors.need(grant('b'))
    expect(await state(two)).toBe('pending')
    open()
    expect(await Promise.all([one, two])).toEqual([undefined, undefined])
    expect(hook.calls).toEqual(['open ssh'])
  })

  it('is tried again for the second, if it failed for the first', async () => {
    const { doors, hook, open } = lab()
    let failures = 1
    hook.before = () => {
      if (failures-- > 0) failing('once')()
    }
    const [one, two] = await Promise.all([doors.need(grant('a')), doors.need(grant('b'))])
    expect(one).toMatchObject({ action: 'open', message: 'once' })
    expect(two).toBeUndefined()
    await doors.release('a').closed
    expect(await open()).toEqual(['ssh 203.0.113.7'])
  })

  it('fails and can be had again, though its hook throws instead of rejecting', async () => {
    const { doors, hook } = lab()
    const { open } = hook
    hook.open = failing('at once')
    expect(await doors.need(grant('a'))).toMatchObject({ action: 'open', message: 'at once' })
    hook.open = open
    expect(await doors.need(grant('b'))).toBeUndefined()
  })

  it('closes with the last of them, and not before', async () => {
    const { doors, hook, open } = lab()
    await doors.need(grant('a'))
    await doors.need(grant('b'))
    expect(await doors.release('a').closed).toBe(true)
    expect(await open()).toHaveLength(1)
    expect(await doors.release('b').closed).toBe(true)
    expect(hook.calls).toEqual(['open ssh', 'close ssh'])
  })

  it('remains after one of them, and connections remain where no hook can cut', async () => {
    const cutting = new LoggingHook(['ssh'], new HandClock())
    const plain = new MemoryHook(['wiki'], new HandClock())
    const doors = new Doors({
      hooksOf: name => (name === 'ssh' ? [cutting] : [plain]),
      report: () => {},
    })
    const [one, other] = [grant('a', { services: ['ssh', 'wiki'] }), grant('b')]
    await Promise.all([doors.need(one), doors.need(other)])
    await doors.release('a', true).closed
    const { open, uncut } = doors.remainsOf(one)
    expect(open.map(openingKey)).toEqual(['ssh 203.0.113.7'])
    expect(uncut).toEqual(['wiki'])
    await doors.release('b', true).closed
    expect(doors.remainsOf(other)).toEqual({ open: [], uncut: [] })
  })

  it('gets the shorter time back, when the longer is gone', async () => {
    const { doors, hook } = lab()
    await doors.need(grant('a'))
    await doors.need(grant('b', { until: NOON + 60_000 }))
    await doors.release('b').closed
    await turns()
    expect((await hook.list())[0]!.until).toBe(NOON + 30_000)
  })

  it('closes and opens again, never the two at once', async () => {
    const { doors, hook, open } = lab()
    await doors.need(grant('a'))
    const { wait, open: go } = barrier()
    hook.before = () => wait
    const closing = doors.release('a')
    await turns()
    const needing = doors.need(grant('b'))
    await turns()
    expect(hook.calls).toEqual(['open ssh', 'close ssh'])
    go()
    expect(await closing.closed).toBe(true)
    expect(await needing).toBeUndefined()
    expect(hook.calls).toEqual(['open ssh', 'close ssh', 'open ssh'])
    expect(await open()).toHaveLength(1)
  })
})

describe('adopted', () => {
  it('needs are not opened, but neither closed', async () => {
    const { doors, hook } = lab()
    await doors.need(grant('a', { services: ['ssh', 'wiki'] }))
    doors.adopt(grant('b', { services: ['wiki'] }))
    await doors.release('a').closed
    doors.adopt(grant('c', { services: ['ssh'] }))
    await turns()
    expect(hook.calls).toEqual(['open ssh', 'open wiki', 'close ssh'])
    await doors.release('c').closed
    expect(hook.calls.at(-1)).toBe('close ssh')
  })
})

describe('what hooks hold and no grant explains', () => {
  it('is closed, and nothing else is touched', async () => {
    const { doors, hook } = lab()
    await hook.open({ service: 'wiki', network: network('198.51.100.66'), until: NOON + 1 })
    await doors.need(grant('a'))
    hook.calls.length = 0
    await doors.settle([hook])
    expect(hook.calls).toEqual(['close wiki'])
  })
})

describe('with time', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('closing is tried again, at longer and longer intervals, until it is done', async () => {
    const { doors, hook, faults, open } = lab()
    await doors.need(grant('a'))
    hook.before = failing('not yet')
    const { tried, closed } = doors.release('a')
    expect(await tried).toMatchObject({ action: 'close', message: 'not yet' })
    for (let pause = RETRY_MS, tries = 1; tries < 10; tries++) {
      expect(faults).toHaveLength(tries)
      await vi.advanceTimersByTimeAsync(pause - 1)
      expect(faults).toHaveLength(tries)
      await vi.advanceTimersByTimeAsync(1)
      pause = Math.min(2 * pause, RETRY_MAX_MS)
    }
    expect(await state(closed)).toBe('pending')
    hook.before = () => {}
    await vi.advanceTimersByTimeAsync(RETRY_MAX_MS)
    expect(await closed).toBe(true)
    expect(await open()).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('whoever is to be out is cut, again and again until it is done', async () => {
    const { doors, hook } = lab()
    await doors.need(grant('a'))
    hook.cuts = failing('still in')
    const { closed } = doors.release('a', true)
    await vi.advanceTimersByTimeAsync(RETRY_MS)
    hook.cuts = () => {}
    await vi.advanceTimersByTimeAsync(2 * RETRY_MS)
    expect(await closed).toBe(true)
    expect(hook.calls.filter(call => call === 'cut ssh')).toHaveLength(3)
  })

  it('a door that is needed again ends the tries to close it', async () => {
    const { doors, hook, open } = lab()
    await doors.need(grant('a'))
    hook.before = event => (event === 'close' ? failing('no')() : undefined)
    const { closed } = doors.release('a')
    await turns()
    expect(await doors.need(grant('b'))).toBeUndefined()
    expect(await closed).toBe(true)
    expect(await open()).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a stop ends the tries, and says that it is not closed', async () => {
    const { doors, hook } = lab()
    await doors.need(grant('a'))
    hook.before = failing('no')
    const { closed } = doors.release('a')
    await turns()
    doors.stop()
    expect(await closed).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a hook that opens too late is closed again', async () => {
    const { doors, hook, open } = lab()
    const { wait, open: go } = barrier()
    hook.before = event => (event === 'open' ? wait : undefined)
    const needing = doors.need(grant('a'))
    await vi.advanceTimersByTimeAsync(LIMIT_MS)
    expect(await needing).toMatchObject({ code: 'timeout' })
    await doors.release('a').closed
    go()
    await turns()
    expect(hook.calls).toEqual(['open ssh', 'close ssh', 'close ssh'])
    expect(await open()).toEqual([])
  })

  it('a hook that closes too late, when the door is needed again, opens it again', async () => {
    const { doors, hook, open } = lab()
    await doors.need(grant('a'))
    const { wait, open: go } = barrier()
    hook.before = event => (event === 'close' ? wait : undefined)
    const { tried } = doors.release('a')
    await vi.advanceTimersByTimeAsync(LIMIT_MS)
    expect(await tried).toMatchObject({ action: 'close', code: 'timeout' })
    expect(await doors.need(grant('b'))).toBeUndefined()
    go()
    await turns()
    expect(await open()).toHaveLength(1)
  })

  it('a hook that never comes back holds up its own door alone', async () => {
    const { doors, hook } = lab()
    hook.before = (_, { service }) => (service === 'ssh' ? new Promise(() => {}) : undefined)
    void doors.need(grant('a'))
    expect(await doors.need(grant('b', { services: ['wiki'] }))).toBeUndefined()
  })
})

describe('whatever grants come and go while hooks are slow and fail', () => {
  const act = fc.record({
    do: fc.constantFrom('need', 'need', 'release', 'turn'),
    id: fc.constantFrom('a', 'b', 'c', 'd'),
    services: fc.subarray(['ssh', 'wiki'], { minLength: 1 }),
    until: fc.integer({ min: 1, max: 4 }),
    slow: fc.nat(3),
    fails: fc.integer({ min: 0, max: 9 }).map(n => n < 3),
  })

  it('in the end the hooks hold what is needed, and whoever was told "open" has it open', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 30, size: 'max' }), async acts => {
        const { doors, hook, open } = lab()
        const live = new Map<string, Grant>()
        const under: Promise<unknown>[] = []
        let [slow, fails] = [0, false]
        hook.before = async event => {
          const doomed = fails && event === 'open'
          for (let i = 0; i < slow; i++) await turns()
          if (doomed) failing('told to')()
        }
        for (const one of acts) {
          ;({ slow, fails } = one)
          if (one.do === 'turn') await turns()
          if (one.do === 'release') {
            live.delete(one.id)
            under.push(doors.release(one.id).closed)
          }
          if (one.do !== 'need') continue
          const its = grant(one.id, { services: one.services, until: NOON + one.until * 1000 })
          live.set(one.id, its)
          const told = doors.need(its).then(async fault => {
            if (live.get(one.id) !== its) return
            if (!fault) {
              for (const service of its.services) {
                expect(await open()).toContain(`${service} 203.0.113.7`)
              }
              return
            }
            live.delete(one.id)
            await doors.release(one.id).closed
          })
          under.push(told)
        }
        await Promise.all(under)
        fails = false
        for (let i = 0; i < 10; i++) await turns()
        const needed = new Openings()
        for (const its of live.values()) needed.set({ ...its, grant: its.id })
        expect((await open()).sort()).toEqual(needed.list().map(openingKey).sort())
      }),
      { numRuns: 150 },
    )
  })
})
