import { describe, expect, it } from 'vitest'
import type { YubiKey } from '../../server/src/core/directory.ts'
import { VALIDATED_MAX, type Validation } from '../../server/src/core/factors.ts'
import { FAILURES_MAX } from '../../server/src/core/lockout.ts'
import type { CredentialAttempt } from '../../server/src/listeners/listener.ts'
import { VALIDATIONS_MAX, Validating } from '../../server/src/validating.ts'
import { asRead, barrier, type Kit, type KitOptions, kit, user } from './kit.ts'

const GREEN: YubiKey = { label: 'green', publicId: 'vvccccbbbbdd', online: true }
/** A touch, of which nobody here knows what is in it. */
const otp = (touch = 0) =>
  `${GREEN.publicId}${[...touch.toString(2).padStart(32, '0')].map(bit => 'cb'[Number(bit)]).join('')}`
const factor = (touch = 0) => ({ kind: 'yubikey', code: otp(touch) }) as const

/** A gatekeeper whose validation servers say this, when they are let. */
function online(says: Validation = 'right', options: KitOptions = {}) {
  const asked: string[] = []
  const servers = { says, gate: Promise.resolve() }
  const validate = async (code: string) => {
    asked.push(code)
    await servers.gate
    return servers.says
  }
  const users = options.users ?? [user('alice', 1, { yubikeys: [GREEN] })]
  return { ...kit({ ...options, users, validate }), asked, servers }
}

const claim = (k: Kit, touch = 0, changes: Partial<CredentialAttempt> = {}) =>
  k.gatekeeper.judge({
    ...{ door: 'http', user: 'alice', factor: factor(touch), services: ['ssh'] },
    ...{ lifetime: 0, source: '203.0.113.7', ...changes },
  }) as Promise<{ outcome: { status: string; reason: string } }>

describe('an OTP that a validation server is asked about', () => {
  it('opens once it said yes, and not before', async () => {
    const k = online()
    const { wait, open } = barrier()
    k.servers.gate = wait
    const reply = k.send(k.packet({ factor: factor() }))
    expect(await k.open()).toEqual([])
    expect(k.lines).toEqual([])
    open()
    expect(await reply).toMatchObject({ status: 'opened', detail: 'ssh' })
    expect(await k.open()).toEqual(['ssh 203.0.113.7'])
    expect(k.asked).toEqual([otp()])
  })

  it('is burnt here too, whatever a server that cannot remember says', async () => {
    const k = online()
    expect(await k.send(k.packet({ factor: factor() }))).toMatchObject({ status: 'opened' })
    expect(await k.send(k.packet({ factor: factor() }))).toMatchObject({ reason: 'factor-used' })
    expect(await claim(k)).toMatchObject({ outcome: { reason: 'factor-used' } })
    const later = online('right', { clock: k.clock, ledger: k.lines })
    expect(await later.send(later.packet({ factor: factor() }))).toMatchObject({
      reason: 'factor-used',
    })
    expect([k.asked, later.asked]).toEqual([[otp()], []])
    expect(JSON.stringify(k.lines)).not.toContain(otp())
  })

  it('is remembered through a checkpoint, the latest hundred of each token', async () => {
    const k = online()
    for (let touch = 0; touch <= VALIDATED_MAX; touch++) {
      expect(await claim(k, touch)).toMatchObject({ outcome: { status: 'opened' } })
    }
    const later = online('right', { clock: k.clock })
    later.state.restore(asRead(k.state.checkpoint()))
    expect(await claim(later, 1)).toMatchObject({ outcome: { reason: 'factor-used' } })
    expect(await claim(later, VALIDATED_MAX)).toMatchObject({ outcome: { reason: 'factor-used' } })
    expect(await claim(later, 0)).toMatchObject({ outcome: { status: 'opened' } })
  })

  it.each([
    ['wrong', 'wrong-factor'],
    ['used', 'factor-used'],
    ['unavailable', 'state-unavailable'],
  ] as const)('that is %s is refused as %s', async (says, reason) => {
    const k = online(says)
    expect(await k.send(k.packet({ factor: factor() }))).toMatchObject({
      ...{
        status: 'refused',
        reason,
        detail: says === 'unavailable' ? 'no validation server' : '',
      },
    })
    expect(await claim(k, 1)).toMatchObject({ outcome: { status: 'refused', reason } })
    expect(await k.open()).toEqual([])
    expect(k.counters.readValidations()).toEqual([[says, 2]])
  })

  it('counts towards a lockout if it was wrong, never for a server that does not answer', async () => {
    const k = online('unavailable')
    for (let i = 0; i <= FAILURES_MAX; i++) await k.send(k.packet({ factor: factor(i) }))
    k.servers.says = 'wrong'
    for (let i = 0; i < FAILURES_MAX; i++) {
      expect(await k.send(k.packet({ factor: factor(i) }))).toMatchObject({
        reason: 'wrong-factor',
      })
    }
    const before = k.asked.length
    k.clock.pass(10_000)
    expect(await k.send(k.packet({ factor: factor(9) }))).toMatchObject({ reason: 'locked' })
    expect(k.asked.length).toBe(before)
  })

  it('is asked about once, however often its knock is sent; a copied packet meets silence', async () => {
    const k = online()
    const { wait, open } = barrier()
    k.servers.gate = wait
    const knock = { factor: factor(), knockId: 'aa'.repeat(8) }
    const first = k.packet(knock)
    const replies = [k.send(first)]
    k.clock.pass(300)
    replies.push(k.send(k.packet(knock)))
    expect(await k.send(first)).toBe('silence')
    open()
    expect(await Promise.all(replies)).toMatchObject([{ status: 'opened' }, { status: 'opened' }])
    expect(await k.send(k.packet(knock))).toMatchObject({ status: 'opened' })
    expect(k.asked).toEqual([otp()])
    expect(k.lines.filter(({ event }) => event.event === 'knock')).toHaveLength(1)
  })

  it('adds the other family to a knock that still waits', async () => {
    const k = online()
    const { wait, open } = barrier()
    k.servers.gate = wait
    const knock = { factor: factor(), knockId: 'bb'.repeat(8) }
    const replies = [k.send(k.packet(knock), '2001:db8::7')]
    const four = k.packet({ ...knock, address: '203.0.113.7' as never })
    replies.push(k.send(four, '203.0.113.7'))
    open()
    expect(await Promise.all(replies)).toMatchObject([{ status: 'opened' }, { status: 'opened' }])
    expect((await k.open()).sort()).toEqual(['ssh 2001:db8::7', 'ssh 203.0.113.7'])
  })

  it('waits for nobody else: one at a time for each device, and the rest goes on', async () => {
    const k = online()
    const { wait, open } = barrier()
    k.servers.gate = wait
    const waiting = k.send(k.packet({ factor: factor() }))
    expect(await k.send(k.packet({ factor: factor(1) }))).toMatchObject({
      reason: 'state-unavailable',
    })
    expect(await k.send(k.packet({ factor: k.code() }))).toMatchObject({ status: 'opened' })
    open()
    expect(await waiting).toMatchObject({ status: 'opened' })
    expect(k.asked).toEqual([otp()])
  })

  it('opens nothing for a device that was taken away meanwhile, or for somebody locked', async () => {
    for (const after of [
      user('alice', 1, { yubikeys: [GREEN], devices: [] }),
      user('alice', 2, { yubikeys: [GREEN] }),
      user('alice', 1, { yubikeys: [GREEN], locked: true }),
    ]) {
      const k = online()
      const { wait, open } = barrier()
      k.servers.gate = wait
      const reply = k.send(k.packet({ factor: factor() }))
      k.setDirectory([after])
      open()
      expect(await reply).toMatchObject({ status: 'refused', reason: 'locked' })
      expect(await k.open()).toEqual([])
    }
  })

  it('opens nothing with a token that was taken away meanwhile', async () => {
    const k = online()
    const { wait, open } = barrier()
    k.servers.gate = wait
    const reply = k.send(k.packet({ factor: factor() }))
    k.setDirectory([user('alice', 1)])
    open()
    expect(await reply).toMatchObject({ status: 'refused', reason: 'wrong-factor' })
  })

  it('is nobody’s business where none is needed: closing, and other factors', async () => {
    const k = online()
    await k.send(k.packet({ verb: 'close', factor: factor() }))
    await k.send(k.packet({ factor: { kind: 'recovery', code: otp() } }))
    await k.send(k.packet({ factor: { kind: 'yubikey', code: `cccccccccccc${otp().slice(12)}` } }))
    await claim(k, 0, { user: 'nobody' })
    expect(k.asked).toEqual([])
  })

  it('is refused if there is nobody to ask, or asking fails', async () => {
    const k = kit({ users: [user('alice', 1, { yubikeys: [GREEN] })] })
    expect(await k.send(k.packet({ factor: factor() }))).toMatchObject({
      reason: 'state-unavailable',
    })
    const failing = new Validating(() => Promise.reject(new Error('no')))
    expect(await failing.ask('alice/laptop', otp())).toBe('unavailable')
  })

  it('is refused if it cannot be recorded', async () => {
    const k = online()
    k.disk.works = false
    expect(await k.send(k.packet({ factor: factor() }))).toMatchObject({
      reason: 'state-unavailable',
    })
    expect(await k.open()).toEqual([])
  })

  it('is one of so many at once', async () => {
    const { wait, open } = barrier()
    const validating = new Validating(async () => {
      await wait
      return 'right'
    })
    const all = Array.from({ length: VALIDATIONS_MAX + 1 }, (_, i) =>
      validating.ask(`alice/${i}`, otp(i)),
    )
    expect(await all.at(-1)).toBe('unavailable')
    open()
    expect(await all[0]).toBe('right')
    expect(await validating.ask('alice/0', otp())).toBe('right')
  })
})

describe('different services for each token', () => {
  const BLUE: YubiKey = { ...GREEN, label: 'blue', publicId: 'vvccccbbbbff', services: ['wiki'] }
  const blue = (touch: number) =>
    ({ kind: 'yubikey', code: `${BLUE.publicId}${otp(touch).slice(12)}` }) as const
  const both = () => online('right', { users: [user('alice', 1, { yubikeys: [GREEN, BLUE] })] })

  it('a touch of one opens all, of the other only its own', async () => {
    const k = both()
    const all = { services: [] }
    expect(await k.send(k.packet({ ...all, factor: factor() }))).toMatchObject({
      detail: 'ssh wiki',
    })
    expect(await k.send(k.packet({ ...all, factor: blue(1) }))).toMatchObject({ detail: 'wiki' })
    expect(await k.send(k.packet({ services: ['ssh'], factor: blue(2) }))).toMatchObject({
      ...{ reason: 'service', detail: 'ssh' },
    })
    expect(await claim(k, 3, { factor: blue(3), services: [] })).toMatchObject({
      outcome: { status: 'opened', detail: 'wiki' },
    })
    expect(await claim(k, 4, { factor: blue(4), services: undefined })).toMatchObject({
      outcome: { status: 'refused', reason: 'service' },
    })
  })

  it('and the other family gets no more than the first', async () => {
    const k = both()
    const knock = { factor: blue(1), services: [], knockId: 'cc'.repeat(8) }
    await k.send(k.packet(knock), '2001:db8::7')
    await k.send(k.packet({ ...knock, address: '203.0.113.7' as never }), '203.0.113.7')
    expect((await k.open()).sort()).toEqual(['wiki 2001:db8::7', 'wiki 203.0.113.7'])
  })
})
