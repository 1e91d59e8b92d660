import { describe, expect, it, vi } from 'vitest'
import { Rows, rowCells } from '../../server/src/audit/rows.ts'
import type { User } from '../../server/src/core/directory.ts'
import { State } from '../../server/src/core/state.ts'
import { HookError } from '../../server/src/hooks/hook.ts'
import type { CredentialAttempt } from '../../server/src/listeners/listener.ts'
import { MemoryListener } from '../../server/src/listeners/memory.ts'
import {
  addr,
  barrier,
  device,
  FRESHNESS_MS,
  type Kit,
  type KitOptions,
  kit,
  service,
  turns,
  user,
} from './kit.ts'

const TIMEOUT_MS = 120_000
const approval = { channel: 'phone', timeoutMs: TIMEOUT_MS }
const services = [
  service('ssh'),
  service('vault', { approval, lifetime: 600 }),
  service('safe', { approval: { ...approval, approver: 'bob' } }),
]
const alice = user('alice', 1, { services: ['ssh', 'vault', 'safe'] })
const bob = user('bob', 2, { services: ['ssh'] })

const start = (options: KitOptions = {}) => kit({ services, users: [alice, bob], ...options })

/** One knock, all of whose packets have its id. */
function knocks(k: Kit, names: readonly string[] = ['vault'], lifetime = 0) {
  const changes = { services: names, lifetime, factor: k.code() }
  const knockId = `${k.lines.length}`.padStart(16, '7')
  return () => k.send(k.packet({ ...changes, knockId }))
}

const events = (k: Kit) => k.lines.map(({ event }) => event)
const answers = (k: Kit) =>
  events(k).flatMap(event =>
    event.event === 'approved' || event.event === 'disapproved' ? [event] : [],
  )
const claim = (k: Kit, changes: Partial<CredentialAttempt> = {}): CredentialAttempt => ({
  door: 'radius',
  user: 'alice',
  factor: k.code(),
  services: ['ssh'],
  lifetime: 0,
  source: '203.0.113.9',
  ...changes,
})

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
    state.restore(k.state.checkpoint())
    const { event, at } = k.lines.find(line => line.event.event === 'knock')!
    state.apply(event, at)
    expect(state.waiting.list()).toEqual([])
    expect(state.checkpoint().knocks).toEqual(k.state.checkpoint().knocks)
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
