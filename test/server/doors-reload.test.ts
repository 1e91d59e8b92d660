import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Grant } from '../../server/src/core/grants.ts'
import { type Opening, openingKey } from '../../server/src/core/openings.ts'
import { Doors, type Fault, RETRY_MS } from '../../server/src/doors.ts'
import { HookError } from '../../server/src/hooks/hook.ts'
import { MemoryHook } from '../../server/src/hooks/memory.ts'
import { barrier, HandClock, NOON, network, turns } from './kit.ts'

const LIMIT_MS = 1000

/** Two hooks, and which of them the service belongs to at present. */
function lab() {
  const clock = new HandClock()
  const [one, other] = ['one', 'other'].map(() => new MemoryHook(['ssh'], clock)) as [
    MemoryHook,
    MemoryHook,
  ]
  const current = { hooks: [one] }
  const faults: Fault[] = []
  const doors = new Doors({
    hooksOf: () => current.hooks,
    report: fault => faults.push(fault),
    limitMs: LIMIT_MS,
  })
  const open = async () =>
    Promise.all([one, other].map(async hook => (await hook.list()).map(openingKey)))
  return { one, other, current, doors, faults, open }
}

const grant: Grant = {
  id: 'g1',
  user: 'alice',
  device: 'alice/laptop',
  services: ['ssh'],
  networks: [network('203.0.113.7')],
  sentAt: NOON,
  until: NOON + 30_000,
}
const opening: Opening = { service: 'ssh', network: grant.networks[0]!, until: grant.until }
const KEY = openingKey(opening)

/** What a reload does once the hooks are configured. */
async function agree({ doors, one, other }: ReturnType<typeof lab>, needed: readonly Grant[]) {
  await doors.settle([one, other])
  return Promise.all(needed.map(each => doors.need(each)))
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('after a start', () => {
  it('what a hook has started with is closed there, though its service has gone to another', async () => {
    const l = lab()
    await l.one.open(opening)
    l.doors.adopt(grant)
    expect(l.doors.holds('g1')).toBe(false)
    l.doors.learn(new Map([[l.one, [opening]]]))
    expect(l.doors.holds('g1')).toBe(true)
    l.current.hooks = [l.other]
    expect(await l.doors.release('g1').closed).toBe(true)
    expect(await l.open()).toEqual([[], []])
    expect(l.doors.holds('g1')).toBe(false)
  })

  it('what one of two hooks has started with is opened at the other', async () => {
    const l = lab()
    l.current.hooks = [l.one, l.other]
    await l.one.open(opening)
    l.doors.adopt(grant)
    l.doors.learn(new Map([[l.one, [opening]]]))
    expect(l.doors.holds('g1')).toBe(false)
    expect(await l.doors.reach('g1')).toBeUndefined()
    expect(await l.open()).toEqual([[KEY], [KEY]])
  })
})

describe('after a reload', () => {
  it('what a hook let go of is open again, and what it holds is not asked for', async () => {
    const l = lab()
    await l.doors.need(grant)
    let asked = 0
    l.one.before = () => void asked++
    await agree(l, [grant])
    expect(asked).toBe(0)
    l.one.before = () => {}
    await l.one.close(opening)
    expect(await l.open()).toEqual([[], []])
    await agree(l, [grant])
    expect(await l.open()).toEqual([[KEY], []])
  })

  it('a service that goes to another hook is open there, and closed where it was', async () => {
    const l = lab()
    await l.doors.need(grant)
    l.current.hooks = [l.other]
    await agree(l, [grant])
    expect(await l.open()).toEqual([[], [KEY]])
    expect(await l.doors.release('g1').closed).toBe(true)
    expect(await l.open()).toEqual([[], []])
    expect(l.faults).toEqual([])
  })

  it('whoever cannot close it is asked until it can, while the other has it open', async () => {
    const l = lab()
    await l.doors.need(grant)
    l.current.hooks = [l.other]
    l.one.before = event => {
      if (event === 'close') throw new HookError('memory', 'failed', 'not now')
    }
    await agree(l, [grant])
    expect(await l.open()).toEqual([[KEY], [KEY]])
    l.one.before = () => {}
    await vi.advanceTimersByTimeAsync(2 * RETRY_MS)
    expect(await l.open()).toEqual([[], [KEY]])
  })

  it('a service without a hook is closed by the one that opened it', async () => {
    const l = lab()
    await l.doors.need(grant)
    l.current.hooks = []
    expect(await l.doors.release('g1').closed).toBe(true)
    expect(await l.open()).toEqual([[], []])
  })

  it('what is being opened where it no longer belongs is closed as soon as it is open', async () => {
    const l = lab()
    const slow = barrier()
    l.one.before = event => (event === 'open' ? slow.wait : undefined)
    const need = l.doors.need(grant)
    await turns()
    l.current.hooks = [l.other]
    const agreed = agree(l, [grant])
    slow.open()
    await Promise.all([need, agreed])
    await agree(l, [grant])
    expect(await l.open()).toEqual([[], [KEY]])
  })

  it('what a hook was given up on does late, where it no longer belongs, is undone', async () => {
    const l = lab()
    const slow = barrier()
    l.one.before = event => (event === 'open' ? slow.wait : undefined)
    const need = l.doors.need(grant)
    await vi.advanceTimersByTimeAsync(LIMIT_MS)
    expect(await need).toMatchObject({ code: 'timeout' })
    l.current.hooks = [l.other]
    await agree(l, [grant])
    expect(await l.open()).toEqual([[], [KEY]])
    slow.open()
    await vi.advanceTimersByTimeAsync(0)
    expect(await l.open()).toEqual([[], [KEY]])
  })
})
