import { describe, expect, it } from 'vitest'
import { Rows, rowCells } from '../../server/src/audit/rows.ts'
import { alice, answers, approval, bob, claim, knocks, start, TIMEOUT_MS } from './approving.ts'
import { addr, type Kit, service, turns } from './kit.ts'

describe('a service that somebody must approve', () => {
  it('is pending until the yes, and then open for its time from then on', async () => {
    const k = start()
    const knock = knocks(k)
    expect(await knock()).toMatchObject({ status: 'pending', reason: 'none', detail: 'phone' })
    expect(await k.open()).toEqual([])
    k.clock.pass(60_000)
    expect(await knock()).toMatchObject({ status: 'pending' })

    const { token, pending } = k.questions[0]!
    expect(k.gatekeeper.approvals.look(token)).toMatchObject({
      user: 'alice',
      device: 'alice/laptop',
      services: ['vault'],
      source: addr('203.0.113.7'),
    })
    expect(await k.open()).toEqual([])
    const outcome = await k.gatekeeper.approvals.decide(token, true)
    expect(outcome).toMatchObject({ status: 'opened', lifetime: 600, grant: pending.id })
    expect(await k.open()).toEqual(['vault 203.0.113.7'])
    expect(await knock()).toMatchObject({ status: 'opened', lifetime: 600, grant: pending.id })
    expect(k.questions).toHaveLength(1)
    expect(answers(k)).toMatchObject([
      { event: 'approved', by: { user: 'alice', channel: 'phone' }, grant: { id: pending.id } },
    ])
  })

  it.each([true, false])('takes one answer, whatever the second says', async second => {
    const k = start()
    const knock = knocks(k)
    await knock()
    const { token } = k.questions[0]!
    const [one, other] = await Promise.all([
      k.gatekeeper.approvals.decide(token, false),
      k.gatekeeper.approvals.decide(token, second),
    ])
    expect(one).toMatchObject({ status: 'refused', reason: 'denied', detail: 'phone' })
    expect(other).toBeUndefined()
    expect(k.gatekeeper.approvals.look(token)).toBeUndefined()
    expect(await knock()).toMatchObject({ status: 'refused', reason: 'denied', detail: 'phone' })
    expect(await k.open()).toEqual([])
  })

  it('opens nothing for a token that was guessed, altered, or of another form', async () => {
    const k = start()
    await knocks(k)()
    const { token } = k.questions[0]!
    const flip = (at: number) =>
      token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
    const hash = k.state.waiting.list()[0]!.tokenHash
    const wrong = [...token].map((_, at) => flip(at))
    for (const one of [
      ...wrong,
      '',
      `${token}=`,
      ` ${token}`,
      token.slice(1),
      hash,
      'A'.repeat(43),
    ]) {
      expect(k.gatekeeper.approvals.look(one)).toBeUndefined()
      expect(await k.gatekeeper.approvals.decide(one, true)).toBeUndefined()
    }
    expect(k.state.waiting.size).toBe(1)
  })

  it('is refused when nobody answers in time, and the link is dead by then', async () => {
    const k = start()
    const knock = knocks(k)
    await knock()
    k.clock.pass(TIMEOUT_MS)
    const { token } = k.questions[0]!
    expect(k.gatekeeper.approvals.look(token)).toBeUndefined()
    expect(await k.gatekeeper.approvals.decide(token, true)).toBeUndefined()
    expect(await knock()).toMatchObject({ status: 'pending' })
    k.gatekeeper.endExpired()
    expect(await knock()).toMatchObject({ status: 'refused', reason: 'approval-timeout' })
    expect(answers(k)).toMatchObject([{ why: 'timed-out' }])
  })

  it('waits no longer for a clock that was set back', async () => {
    const k = start()
    const knock = knocks(k)
    await knock()
    k.clock.wall -= 3600_000
    k.clock.mono += TIMEOUT_MS
    expect(await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)).toBeUndefined()
    k.state.keepTime(k.clock.now())
    k.gatekeeper.endExpired()
    await turns()
    expect(answers(k)).toMatchObject([{ why: 'timed-out' }])
  })

  it('asks another user where the service says so', async () => {
    const k = start()
    expect(await knocks(k, ['safe'])()).toMatchObject({ status: 'pending', detail: 'bob by phone' })
    expect(k.questions[0]!.pending).toMatchObject({ user: 'alice', approver: 'bob' })
  })

  it('is asked for once with others that need nobody, but not with those that ask somebody else', async () => {
    const k = start()
    expect(await knocks(k, ['ssh', 'vault'])()).toMatchObject({ status: 'pending' })
    await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)
    expect(await k.open()).toEqual(['ssh 203.0.113.7', 'vault 203.0.113.7'])
    k.clock.pass(60_000)
    expect(await knocks(k, ['vault', 'safe'])()).toMatchObject({
      status: 'refused',
      reason: 'service',
      detail: 'safe with others',
    })
  })

  it('asks nobody for a wrong code, and burns a right one', async () => {
    const k = start()
    const wrong = { kind: 'totp', code: '000000' } as const
    expect(await k.send(k.packet({ services: ['vault'], factor: wrong }))).toMatchObject({
      reason: 'wrong-factor',
    })
    await knocks(k)()
    expect(await k.send(k.packet({ services: ['ssh'], factor: k.code() }))).toMatchObject({
      reason: 'factor-used',
    })
    expect(k.questions).toHaveLength(1)
  })

  it('lets the address of the other family join after the yes, not before', async () => {
    const k = start()
    const factor = k.code()
    const knockId = '5'.padStart(16, '5')
    const ask = (address: string, source: string) =>
      k.send(k.packet({ services: ['vault'], factor, knockId, address: addr(address) }), source)
    await ask('2001:db8::7', '2001:db8::7')
    expect(await ask('203.0.113.7', '203.0.113.7')).toMatchObject({ status: 'pending' })
    k.clock.pass(60_000)
    await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)
    expect(await k.open()).toEqual(['vault 2001:db8::7'])
    expect(await ask('203.0.113.7', '203.0.113.7')).toMatchObject({ status: 'opened' })
    expect(await k.open()).toEqual(['vault 2001:db8::7', 'vault 203.0.113.7'])
  })
})

describe('asking', () => {
  it('is bounded for each user and each door: nobody is worn down', async () => {
    const vault = service('vault', { approval, factor: 'none' })
    const k = start({ services: [vault], users: [{ ...alice, services: ['vault'] }] })
    const byDoor = async () => {
      const instead = { ...approval, insteadOfCode: true }
      const verdict = await k.gatekeeper.judge(claim(k, { services: [], approval: instead }))
      return verdict.kind === 'answer' ? verdict.outcome : undefined
    }
    const byPacket = () => k.send(k.packet({ services: ['vault'] }))
    // Whoever has no key takes nothing from those who have one.
    for (const ask of [byDoor, byPacket]) {
      for (let i = 0; i < 5; i++) expect(await ask()).toMatchObject({ status: 'pending' })
      expect(await ask()).toMatchObject({ status: 'refused', reason: 'locked' })
    }
    expect(k.questions).toHaveLength(10)
    expect(k.state.waiting.size).toBe(2)
    k.clock.pass(60_000)
    expect(await byPacket()).toMatchObject({ status: 'pending' })
    expect(await byPacket()).toMatchObject({ status: 'refused' })
  })
})

describe('an administrator', () => {
  it.each([true, false])('answers on the host: %s', async yes => {
    const k = start()
    const knock = knocks(k)
    await knock()
    const { id } = k.state.waiting.list()[0]!
    expect(await k.gatekeeper.approvals.answer(id, yes)).toMatchObject({
      status: yes ? 'opened' : 'refused',
    })
    expect(await k.gatekeeper.approvals.answer(id, yes)).toBeUndefined()
    expect(answers(k)).toMatchObject([{ by: { administrator: true } }])
    expect(await knock()).toMatchObject({ status: yes ? 'opened' : 'refused' })
  })
})

describe('the trail', () => {
  const told = (k: Kit) => {
    const rows = new Rows()
    for (const { at, event } of k.lines) rows.add(at, event)
    return rows.list().map(row => rowCells(row).slice(1).join(' | '))
  }

  it('tells in one row who asked, who was asked, who answered, and how it ended', async () => {
    const k = start()
    await knocks(k, ['safe'])()
    const who = 'alice/laptop | 203.0.113.7 | safe |'
    expect(told(k)).toEqual([`${who} pending for 203.0.113.7, asked: bob by phone`])
    k.clock.pass(30_000)
    await k.gatekeeper.approvals.decide(k.questions[0]!.token, true)
    const opened = `${who} opened for 203.0.113.7`
    const by = 'approved by bob by phone'
    expect(told(k)).toEqual([`${opened} until 2026-11-21T12:01:00Z, ${by}`])
    await k.gatekeeper.end(k.state.grants.list()[0]!.id, 'administrator')
    await turns()
    expect(told(k)).toEqual([`${opened}, ${by}, ended 2026-11-21T12:00:30Z: administrator`])
  })

  it('tells why it came to nothing', async () => {
    const k = start()
    const ends = [
      () => k.gatekeeper.approvals.decide(k.questions.at(-1)!.token, false),
      () => k.clock.pass(TIMEOUT_MS),
      () => k.setDirectory([{ ...alice, locked: true }, bob]),
    ]
    for (const end of ends) {
      k.clock.pass(60_000)
      while (k.keyring.hints.prepare(k.clock.now(), 1000));
      await knocks(k)()
      await end()
      k.gatekeeper.endExpired()
      k.gatekeeper.revise()
      await turns()
    }
    expect(told(k).map(row => row.split(' | ').at(-1))).toEqual([
      'refused, answered by alice by phone: denied',
      'refused, asked: alice by phone: timed-out',
      'refused, asked: alice by phone: locked (by the administrator)',
    ])
  })
})
