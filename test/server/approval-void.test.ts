import { describe, expect, it } from 'vitest'
import type { User } from '../../server/src/core/directory.ts'
import { MemoryListener } from '../../server/src/listeners/memory.ts'
import { alice, answers, approval, bob, claim, knocks, start, TIMEOUT_MS } from './approving.ts'
import { device, service, turns } from './kit.ts'

describe('what was promised is void', () => {
  const changed = (changes: Partial<User>) => [{ ...alice, ...changes }, bob]
  it.each([
    ['a locked user', changed({ locked: true }), 'locked', 'by the administrator'],
    ['a removed user', [bob], 'locked', 'by the administrator'],
    ['a removed device', changed({ devices: [] }), 'locked', 'by the administrator'],
    [
      'a device that got another key',
      changed({ devices: [device('alice', 'laptop', 99)] }),
      'locked',
      'by the administrator',
    ],
    [
      'a user who was given another authenticator',
      changed({ totp: { ...alice.totp!, id: 'another' } }),
      'locked',
      'the code is of an old factor',
    ],
    ['a service taken away', changed({ services: ['ssh'] }), 'service', 'vault'],
  ] as const)('for %s', async (_, users, reason, detail) => {
    const k = start()
    const laptop = alice.devices[0]!
    const sent = k.packet({ services: ['vault'], factor: k.code() })
    await k.send(sent)
    k.setDirectory(users)
    k.gatekeeper.revise()
    await turns()
    const { token } = k.questions[0]!
    expect(await k.gatekeeper.approvals.decide(token, true)).toBeUndefined()
    expect(answers(k)).toMatchObject([{ why: 'void', outcome: { reason, detail } }])
    expect(k.state.knocks.find(laptop.id, answers(k)[0]!.knock, k.clock.now())!.outcome).toEqual(
      answers(k)[0]!.outcome,
    )
    expect(await k.open()).toEqual([])
  })

  it.each([
    ['a service', ['vault'], 'vault'],
    ['a login that opens nothing', undefined, ''],
  ])('for %s that its token does not open any more', async (_, names, detail) => {
    const token = { label: 'blue', publicId: 'vvccccbbbbdd', online: true } as const
    const of = (only?: readonly string[]) => [
      { ...alice, yubikeys: [{ ...token, ...(only && { services: only }) }] },
      bob,
    ]
    const k = start({ users: of(), validate: async () => 'right' })
    const factor = { kind: 'yubikey', code: `${token.publicId}${'c'.repeat(32)}` } as const
    await k.gatekeeper.judge(claim(k, { factor, services: names, approval }))
    k.setDirectory(of(['ssh', 'vault', 'safe']))
    k.gatekeeper.revise()
    expect(k.state.waiting.size).toBe(names ? 1 : 0)
    k.setDirectory(of(['ssh']))
    k.gatekeeper.revise()
    await turns()
    expect(answers(k)).toMatchObject([{ why: 'void', outcome: { reason: 'service', detail } }])
    expect(await k.open()).toEqual([])
  })

  it('when whoever was asked is locked, or is not to be asked any more', async () => {
    const k = start()
    const knock = knocks(k, ['safe'])
    await knock()
    k.setDirectory([alice, { ...bob, locked: true }])
    expect(await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)).toMatchObject({
      status: 'refused',
    })
    expect(await knock()).toMatchObject({ reason: 'approval-timeout' })
  })

  it.each([
    ['another approver', { ...approval, approver: 'carol' }],
    ['another way', { ...approval, channel: 'post' }],
  ])('when the service wants %s by now', async (_, wanted) => {
    const k = start()
    await knocks(k)()
    k.setDirectory([alice, bob], [service('ssh'), service('vault', { approval: wanted })])
    expect(await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)).toMatchObject({
      status: 'refused',
      detail: 'somebody else is to be asked',
    })
    expect(await k.open()).toEqual([])
  })

  it('not by a reload that leaves it as it is, or asks nobody any more', async () => {
    const k = start()
    await knocks(k)()
    k.setDirectory([alice, bob])
    k.gatekeeper.revise()
    k.setDirectory([alice, bob], [service('vault', { lifetime: 60 })])
    k.gatekeeper.revise()
    expect(await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)).toMatchObject({
      status: 'opened',
      lifetime: 60,
    })
  })

  it('outside the hours of the service, though the yes comes in time', async () => {
    const schedule = { days: new Set([6]), from: 11 * 60, until: 12 * 60 + 1, zone: 'UTC' }
    const k = start({ services: [service('vault', { approval, schedule, lifetime: 3600 })] })
    const knock = knocks(k)
    expect(await knock()).toMatchObject({ status: 'pending' })
    k.clock.pass(61_000)
    expect(await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)).toMatchObject({
      status: 'refused',
      reason: 'schedule',
    })
  })

  it('when the same device asks anew: one answer is waited for', async () => {
    const k = start()
    const first = knocks(k)
    await first()
    k.clock.pass(60_000)
    await knocks(k)()
    expect(await first()).toMatchObject({
      reason: 'approval-timeout',
      detail: 'a newer knock asks instead',
    })
    expect(await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)).toBeUndefined()
    expect(await k.gatekeeper.approvals.decide(k.questions[1]!.token, true)).toMatchObject({
      status: 'opened',
    })
  })

  it('when its device closes', async () => {
    const k = start()
    const knock = knocks(k)
    await knock()
    k.clock.pass(1000)
    await k.send(k.packet({ verb: 'close', services: ['ssh'] }))
    expect(await knock()).toMatchObject({ status: 'pending' })
    await k.send(k.packet({ verb: 'close', services: [] }))
    expect(await knock()).toMatchObject({ detail: 'closed before anybody answered' })
  })

  it('at once, when nobody could be asked', async () => {
    const k = start()
    k.post.works = false
    const knock = knocks(k)
    await knock()
    await turns()
    expect(await knock()).toMatchObject({ status: 'refused', reason: 'hook-failed' })
    expect(answers(k)).toMatchObject([{ why: 'not-sent', error: 'the post does not work' }])
  })
})

describe('a door without a key', () => {
  it('is told what it waits for once it is settled', async () => {
    const k = start()
    const door = new MemoryListener()
    await door.start(k.gatekeeper.judge)
    const verdict = await door.send(claim(k, { services: ['vault'] }))
    expect(verdict).toMatchObject({ kind: 'answer', outcome: { status: 'pending' } })
    await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)
    expect(verdict.kind === 'answer' && (await verdict.settled)).toMatchObject({
      status: 'opened',
      lifetime: 600,
    })
    expect(await k.open()).toEqual(['vault 203.0.113.9'])
  })

  it('can demand a yes for what needs none, and for a login that opens nothing', async () => {
    const k = start()
    const verdict = await k.gatekeeper.judge(claim(k, { services: undefined, approval }))
    expect(verdict).toMatchObject({ outcome: { status: 'pending' } })
    expect(k.questions[0]!.pending).toMatchObject({ services: [], device: 'alice/@radius' })
    await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)
    expect(verdict.kind === 'answer' && (await verdict.settled)).toMatchObject({
      status: 'opened',
      grant: '0000000000000000',
    })
    expect(k.state.grants.list()).toEqual([])
    const again = await k.gatekeeper.judge(claim(k, { factor: k.code(1), approval }))
    expect(again).toMatchObject({ outcome: { status: 'pending' } })
  })

  it('cannot weaken what the service demands', async () => {
    const k = start()
    await k.gatekeeper.judge(claim(k, { services: ['safe'], approval }))
    expect(k.questions[0]!.pending).toMatchObject({ approver: 'bob' })
  })

  it.each(['denied', 'approval-timeout', 'hook-failed'] as const)('hears of %s', async reason => {
    const k = start()
    k.post.works = reason !== 'hook-failed'
    const verdict = await k.gatekeeper.judge(claim(k, { services: ['vault'] }))
    if (reason === 'denied') await k.gatekeeper.approvals.decide(k.questions[0]!.token, false)
    k.clock.pass(TIMEOUT_MS)
    k.gatekeeper.endExpired()
    expect(verdict.kind === 'answer' && (await verdict.settled)).toMatchObject({ reason })
  })
})
