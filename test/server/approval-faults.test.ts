import { describe, expect, it, vi } from 'vitest'
import { State } from '../../server/src/core/state.ts'
import { HookError } from '../../server/src/hooks/hook.ts'
import { answers, bob, knocks, start, TIMEOUT_MS } from './approving.ts'
import { asRead, barrier, FRESHNESS_MS, type Kit, type KitOptions, turns } from './kit.ts'

describe('the disk and the hooks', () => {
  it('nobody is asked about what is not on record', async () => {
    const k = start()
    k.disk.works = false
    const knock = knocks(k)
    expect(await knock()).toMatchObject({ status: 'refused', reason: 'state-unavailable' })
    expect(k.questions).toEqual([])
    expect(k.state.waiting.size).toBe(0)
  })

  it('a yes that cannot be recorded opens nothing, and says so', async () => {
    const k = start()
    const knock = knocks(k)
    await knock()
    k.disk.works = false
    const asked: string[] = []
    k.hook.before = event => void asked.push(event)
    expect(await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)).toMatchObject({
      status: 'refused',
      reason: 'state-unavailable',
    })
    expect(asked).not.toContain('open')
    expect(await k.open()).toEqual([])
    k.disk.works = true
    expect(await knock()).toMatchObject({ status: 'refused', reason: 'state-unavailable' })
  })

  it('nothing opens, and nobody is told, before the yes is durable', async () => {
    const k = start()
    const knock = knocks(k)
    await knock()
    const disk = barrier()
    k.disk.gate = disk.wait
    const told = vi.fn()
    const decided = k.gatekeeper.approvals.decide(k.questions[0]!.token, true).then(told)
    const poll = knock().then(told)
    await turns()
    expect(told).not.toHaveBeenCalled()
    expect(await k.open()).toEqual([])
    disk.open()
    await Promise.all([decided, poll])
    expect(told.mock.calls).toMatchObject([[{ status: 'opened' }], [{ status: 'opened' }]])
  })

  it('a hook that fails is told to whoever said yes, and to the knock', async () => {
    const k = start()
    const knock = knocks(k)
    await knock()
    k.hook.before = event => {
      if (event === 'open') throw new HookError('memory', 'failed', 'no')
    }
    expect(await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)).toMatchObject({
      status: 'refused',
      reason: 'hook-failed',
    })
    expect(await knock()).toMatchObject({ status: 'refused', reason: 'hook-failed' })
  })

  it('no line and no checkpoint holds a token', async () => {
    const k = start()
    await knocks(k)()
    const { token } = k.questions[0]!
    const kept = () => JSON.stringify([k.lines, k.state.checkpoint()])
    expect(kept()).not.toContain(token)
    await k.gatekeeper.approvals.decide(token, true)
    expect(kept()).not.toContain(token)
  })
})

describe('after a crash', () => {
  const restart = async (k: Kit, options: KitOptions = {}) => {
    const after = start({ clock: k.clock, ledger: k.lines, ...options })
    await after.gatekeeper.resume([after.hook])
    return after
  }

  it('the link that was sent still opens, and the knock hears of it', async () => {
    const k = start()
    const changes = { services: ['vault'], factor: k.code(), knockId: '4'.repeat(16) }
    await k.send(k.packet(changes))
    const later = await restart(k)
    expect(await later.send(later.packet(changes))).toMatchObject({ status: 'pending' })
    expect(await later.gatekeeper.approvals.decide(k.questions[0]!.token, true)).toMatchObject({
      status: 'opened',
    })
    expect(await later.open()).toEqual(['vault 203.0.113.7'])
    expect(await later.send(later.packet(changes))).toMatchObject({ status: 'opened' })
    expect(later.questions).toEqual([])
  })

  it('an answer that was given is not given again', async () => {
    const k = start()
    await knocks(k)()
    await k.gatekeeper.approvals.decide(k.questions[0]!.token, false)
    const later = await restart(k)
    expect(await later.gatekeeper.approvals.decide(k.questions[0]!.token, true)).toBeUndefined()
  })

  it('an answer that a checkpoint holds counts, though its own line was lost', async () => {
    const k = start()
    await knocks(k)()
    await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)
    const state = new State(k.clock, FRESHNESS_MS)
    state.restore(asRead(k.state.checkpoint()))
    const { event, at } = k.lines.find(line => line.event.event === 'knock')!
    state.apply(event, at)
    expect(state.waiting.list()).toEqual([])
    expect(asRead(state.knocks.record())).toEqual(asRead(k.state.knocks.record()))
    expect(state.grants.list()).toHaveLength(1)
  })

  it('what ran out or was taken away meanwhile is over', async () => {
    const k = start()
    await knocks(k)()
    const gone = await restart(k, { users: [bob] })
    expect(answers(gone)).toMatchObject([{ why: 'void' }])
    k.clock.pass(TIMEOUT_MS)
    const late = await restart(k)
    expect(answers(late)).toMatchObject([{ why: 'timed-out' }])
  })
})
