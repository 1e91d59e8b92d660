import { totpCode, totpStep } from '@oneknock/shared'
import { describe, expect, it } from 'vitest'
import type { CredentialAttempt } from '../../server/src/listeners/listener.ts'
import { type Kit, kit, SECRET, until } from './kit.ts'

const claim = (k: Kit, changes: Partial<CredentialAttempt> = {}): CredentialAttempt => ({
  door: 'http',
  user: 'alice',
  factor: k.code(),
  services: ['ssh'],
  lifetime: 0,
  source: '203.0.113.7',
  ...changes,
})

const ask = async (k: Kit, changes: Partial<CredentialAttempt> = {}) => {
  const verdict = await k.gatekeeper.judge(claim(k, changes))
  return verdict.kind === 'answer'
    ? `${verdict.outcome.status} ${verdict.outcome.reason}`
    : verdict.kind
}

const WRONG = { kind: 'totp', code: '000000' } as const

describe('a knock without a packet', () => {
  it('opens for the address that the door vouches for, and burns the code', async () => {
    const k = kit()
    expect(await ask(k)).toBe('opened none')
    expect(await k.open()).toEqual(['ssh 203.0.113.7'])
    expect(await ask(k)).toBe('refused factor-used')
    expect(k.lines[0]!.event).toMatchObject({ device: 'alice/@http', tag: '' })
  })

  it('shares the burnt codes with the packet, both ways', async () => {
    const k = kit()
    const factor = k.code()
    expect(await ask(k, { factor })).toBe('opened none')
    expect(await k.send(k.packet({ factor }))).toMatchObject({ reason: 'factor-used' })
  })

  it('can look at the code alone, which burns it too', async () => {
    const k = kit()
    expect(await ask(k, { services: undefined })).toBe('opened none')
    expect(await k.open()).toEqual([])
    expect(await ask(k, { services: undefined })).toBe('refused factor-used')
  })

  it('always needs a code, is refused what the user may not, and admits no strange address', async () => {
    const k = kit()
    expect(await ask(k, { factor: { kind: 'none', code: '' } })).toBe('refused wrong-factor')
    expect(await ask(k, { services: ['nosuch'] })).toBe('refused service')
    expect(await ask(k, { factor: k.code(1), source: '127.0.0.1' })).toBe('refused address')
  })

  it('locks its own door after wrong codes, never the packet’s, and survives a restart', async () => {
    const k = kit()
    for (let i = 0; i < 5; i++) expect(await ask(k, { factor: WRONG })).toBe('refused wrong-factor')
    expect(await ask(k)).toBe('refused locked')
    const later = kit({ clock: k.clock, ledger: k.lines })
    expect(await ask(later)).toBe('refused locked')
    expect(await ask(later, { door: 'radius' })).toBe('opened none')
    const next = { kind: 'totp', code: totpCode(SECRET, totpStep(k.clock.now()) + 1) } as const
    expect(await later.send(later.packet({ factor: next }))).toMatchObject({ status: 'opened' })
  })

  it('leaves no line of unknown users and of locked doors, however often they try', async () => {
    const k = kit()
    for (let i = 0; i < 50; i++) {
      expect(await ask(k, { user: 'nobody' })).toBe('refused wrong-factor')
      await ask(k, { factor: WRONG })
    }
    expect(k.lines).toHaveLength(5)
  })

  it('ends on time, and with its user', async () => {
    const k = kit()
    expect(await ask(k)).toBe('opened none')
    k.gatekeeper.revise()
    expect(await k.open()).toEqual(['ssh 203.0.113.7'])
    k.setDirectory([])
    k.gatekeeper.revise()
    await until(k.open, open => open.length === 0)
  })
})
