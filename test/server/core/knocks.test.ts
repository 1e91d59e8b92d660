import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  askOf,
  Knocks,
  type Outcome,
  REMEMBER_MAX,
  REMEMBER_MS,
} from '../../../server/src/core/knocks.ts'
import { ANY, type Knock, NO_FACTOR } from '../../../shared/src/index.ts'
import { addr, asRead, NOON, network } from '../kit.ts'

const outcome = (detail: string, grant = '0000000000000000'): Outcome => ({
  status: 'opened',
  reason: 'none',
  network: network('203.0.113.7'),
  lifetime: 30,
  grant,
  detail,
})

const DEVICES = ['alice/laptop', 'bob/laptop']

describe('the knocks that are remembered', () => {
  it('are the last 64 of a device, for ten minutes', () => {
    const act = fc.record({
      do: fc.constantFrom(...Array(9).fill('put'), 'find', 'forget', 'restart'),
      device: fc.constantFrom(...DEVICES),
      knock: fc.nat(150),
      after: fc.oneof({ weight: 50, arbitrary: fc.nat(1000) }, fc.nat(3 * 60_000)),
    })
    fc.assert(
      fc.property(fc.array(act, { maxLength: 400, size: 'max' }), acts => {
        let knocks = new Knocks()
        /** The oldest first. */
        const model = new Map(DEVICES.map(device => [device, [] as { id: string; at: number }[]]))
        let now = NOON
        for (const { do: what, device, knock, after } of acts) {
          now += after
          const id = `${knock}`
          const list = model.get(device)!
          const known = list.find(one => one.id === id && now - one.at <= REMEMBER_MS)
          expect(knocks.find(device, id, now) !== undefined).toBe(known !== undefined)
          if (what === 'put') {
            knocks.put(device, id, outcome(`at ${now}`), now)
            expect(knocks.find(device, id, now)!.outcome.detail).toBe(`at ${now}`)
            if (known) continue
            const others = list.filter(one => one.id !== id)
            model.set(device, [...others, { id, at: now }].slice(-REMEMBER_MAX))
          }
          if (what === 'forget') knocks.forget(now)
          if (what === 'restart') {
            const record = asRead(knocks.record())
            knocks = new Knocks()
            knocks.restore(record)
          }
        }
        for (const kept of Object.values(asRead(knocks.record()))) {
          expect(kept.length).toBeLessThanOrEqual(REMEMBER_MAX)
        }
        knocks.forget(now + REMEMBER_MS + 1)
        expect(asRead(knocks.record())).toEqual({})
      }),
      { numRuns: 100 },
    )
  })

  it('are amended by their grant, on their device', () => {
    const knocks = new Knocks()
    for (const device of DEVICES) {
      knocks.put(device, 'a', outcome('one', 'g'), NOON)
      knocks.put(device, 'b', outcome('two', 'h'), NOON)
    }
    knocks.amend('alice/laptop', 'g', before => ({ ...before, detail: `not ${before.detail}` }))
    const told = DEVICES.flatMap(device =>
      ['a', 'b'].map(id => knocks.find(device, id, NOON)!.outcome.detail),
    )
    expect(told).toEqual(['not one', 'two', 'one', 'two'])
  })
})

describe('what packets of one knock agree in', () => {
  const knock: Knock = {
    verb: 'open',
    factor: { kind: 'totp', code: '123456' },
    lifetime: 60,
    sentAt: NOON,
    knockId: '00000000000000aa',
    address: ANY,
    prefix: 128,
    services: ['ssh', 'wiki'],
  }
  it.each<[string, Partial<Knock>, boolean]>([
    ['the address', { address: addr('203.0.113.7'), prefix: 120 }, true],
    ['the time', { sentAt: NOON + 1 }, true],
    ['not the verb', { verb: 'close' }, false],
    ['not the factor', { factor: NO_FACTOR }, false],
    ['not the code', { factor: { kind: 'totp', code: '123457' } }, false],
    ['not the kind of code', { factor: { kind: 'recovery', code: '123456' } }, false],
    ['not the services', { services: ['ssh'] }, false],
    ['not the lifetime', { lifetime: 61 }, false],
  ])('%s', (_, changes, same) => {
    expect(askOf({ ...knock, ...changes }) === askOf(knock)).toBe(same)
  })
})
