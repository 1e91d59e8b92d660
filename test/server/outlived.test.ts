import { describe, expect, it } from 'vitest'
import type { Grant } from '../../server/src/core/grants.ts'
import { type Opening, openingKey } from '../../server/src/core/openings.ts'
import { Outlived } from '../../server/src/core/outlived.ts'
import { type CuttingHook, HookError } from '../../server/src/hooks/hook.ts'
import { MemoryHook } from '../../server/src/hooks/memory.ts'
import {
  asRead,
  device,
  HandClock,
  type Kit,
  type KitOptions,
  kit,
  NOON,
  network,
  until,
  user,
} from './kit.ts'

/*
 * A door that has closed leaves the connections alone that came in through it, for as long as whoever
 * made them may come in at all.
 */

class CuttingMemory extends MemoryHook implements CuttingHook {
  readonly cuts: string[] = []
  works = true

  async cut(opening: Opening): Promise<void> {
    if (!this.works) throw new HookError(this.name, 'failed', 'told to fail')
    this.cuts.push(openingKey(opening))
  }
}

function scene(options: KitOptions = {}) {
  const clock = options.clock ?? new HandClock()
  const hook = new CuttingMemory(['ssh', 'wiki'], clock)
  return { hook, k: kit({ ...options, clock, hook }) }
}

const ended = (k: Kit) =>
  until(
    () => k.lines.filter(({ event }) => event.event === 'ended').length,
    count => count > 0,
  )

/** Lets alice in and her grant run out. */
async function inAndOver(k: Kit, by = user('alice', 1).devices[0]!, source = '203.0.113.7') {
  await k.send(k.packet({ factor: k.code(), services: ['ssh', 'wiki'] }, by), source)
  k.clock.pass(30_000)
  k.gatekeeper.endExpired()
  await ended(k)
}

const OUT = ['ssh 203.0.113.7', 'wiki 203.0.113.7']

describe('what has come in through a door that is closed by now', () => {
  it('is let be, and cut when its user is locked', async () => {
    const { k, hook } = scene()
    await inAndOver(k)
    await k.gatekeeper.revise()
    expect(hook.cuts).toEqual([])
    k.setDirectory([user('alice', 1, { locked: true })])
    await k.gatekeeper.revise()
    expect(hook.cuts).toEqual(OUT)
    await until(
      () => k.lines.at(-1)!.event,
      ({ event }) => event === 'cut',
    )
    await k.gatekeeper.revise()
    expect(hook.cuts).toEqual(OUT)
  })

  it('is cut when its device closed it, and its user is removed', async () => {
    const { k, hook } = scene()
    await k.send(k.packet({ factor: k.code() }))
    k.clock.pass(1)
    await k.send(k.packet({ verb: 'close', services: [] }))
    k.setDirectory([])
    await k.gatekeeper.revise()
    expect(hook.cuts).toEqual(['ssh 203.0.113.7'])
  })

  it('is cut with the device that let it in, or the service, and nothing else is', async () => {
    const { k, hook } = scene()
    await inAndOver(k)
    const phone = device('alice', 'phone', 101)
    await inAndOver(k, phone, '198.51.100.1')
    k.setDirectory([user('alice', 1, { devices: [phone] })])
    await k.gatekeeper.revise()
    expect(hook.cuts).toEqual(OUT)
    k.setDirectory([user('alice', 1, { devices: [phone], services: ['wiki'] })])
    await k.gatekeeper.revise()
    expect(hook.cuts.slice(2)).toEqual(['ssh 198.51.100.1'])
    k.setDirectory([])
    await k.gatekeeper.revise()
    expect(hook.cuts.slice(3)).toEqual(['wiki 198.51.100.1'])
  })

  it('is left alone where somebody else is in from the same address', async () => {
    const { k, hook } = scene({ users: [user('alice', 1), user('bob', 2)] })
    await inAndOver(k)
    const bob = user('bob', 2)
    await k.send(k.packet({ factor: k.code(1), services: ['ssh'] }, bob.devices[0]!))
    k.setDirectory([bob])
    await k.gatekeeper.revise()
    expect(hook.cuts).toEqual(['wiki 203.0.113.7'])
    expect(await k.open()).toEqual(['ssh 203.0.113.7'])
  })

  it('is tried until it is cut, and on record only then', async () => {
    const { k, hook } = scene()
    await inAndOver(k)
    hook.works = false
    k.setDirectory([])
    await k.gatekeeper.revise()
    expect(k.faults.map(({ action }) => action)).toEqual(['cut', 'cut'])
    expect(k.lines.some(({ event }) => event.event === 'cut')).toBe(false)
    hook.works = true
    const { event } = await until(
      () => k.lines.at(-1)!,
      line => line.event.event === 'cut',
    )
    expect(event).toMatchObject({ event: 'cut', user: 'alice', services: ['ssh', 'wiki'] })
    expect(hook.cuts.sort()).toEqual(OUT)
  })

  it('is cut at the next start, if its user went meanwhile; and not at the one after that', async () => {
    const first = scene()
    await inAndOver(first.k)
    const next = scene({ ledger: first.k.lines, users: [], clock: first.k.clock })
    await next.k.gatekeeper.resume([next.hook])
    expect(next.hook.cuts).toEqual(OUT)
    await until(
      () => next.k.lines.at(-1)!.event,
      ({ event }) => event === 'cut',
    )
    const last = scene({ ledger: next.k.lines, users: [], clock: first.k.clock })
    await last.k.gatekeeper.resume([last.hook])
    expect(last.hook.cuts).toEqual([])
  })
})

describe('the grants that connections may have outlived', () => {
  const DAY = 86_400_000
  const grant = (n: number, from = `10.0.${n >> 8}.${n & 255}`, who = 'alice'): Grant => ({
    ...{ id: `${n}`.padStart(16, '0'), user: who, device: `${who}/laptop`, keyId: 'k' },
    ...{ services: ['ssh'], networks: [network(from)], sentAt: NOON + n, until: NOON },
  })
  const ids = (outlived: Outlived) => outlived.list().map(({ id }) => Number(id))

  it('are the latest 64 of each user, one for each place, for 90 days', () => {
    const outlived = new Outlived()
    for (let n = 0; n < 100; n++) outlived.add(grant(n))
    outlived.add(grant(100, '10.0.0.99'))
    outlived.add(grant(101, '10.0.0.1', 'bob'))
    const kept = [...Array.from({ length: 63 }, (_, i) => 36 + i), 100, 101]
    expect(ids(outlived)).toEqual(kept)
    const read = new Outlived()
    read.restore(asRead(outlived.record()))
    expect(read.list()).toEqual(outlived.list())
    outlived.forget(NOON + 50 + 90 * DAY)
    expect(ids(outlived)).toEqual(kept.filter(n => n >= 50))
    outlived.forget(NOON + 102 + 90 * DAY)
    expect(ids(outlived)).toEqual([])
  })

  it('are told apart by what may be taken away: device, key, factor, service', () => {
    const one = grant(1)
    const factor = { kind: 'totp', id: 'f' } as const
    const others: Partial<Grant>[] = [
      { device: 'alice/phone' },
      { keyId: 'l' },
      { factor },
      { services: ['ssh', 'wiki'] },
      { networks: [...one.networks, network('2001:db8::1')] },
    ]
    const outlived = new Outlived()
    for (const [n, other] of [{}, ...others].entries())
      outlived.add({ ...one, ...other, id: `${n}` })
    expect(ids(outlived)).toEqual([0, 1, 2, 3, 4, 5])
  })
})
