import type { Reply } from '@oneknock/shared'
import { type KnockOptions, knockWith } from '../../client/src/knock.ts'
import type { KnockEvent, KnockResult } from '../../client/src/outcome.ts'
import { FakeWorld, KEY } from './fake-world.ts'

export const V4 = '198.51.100.1'
export const V6 = '2001:db8:1::1'
export const OWN_V4 = '203.0.113.7'
export const OWN_V6 = '2001:db8:2::7'
export const TOTP = { kind: 'totp', code: '123456' } as const

export const only4 = (roundTrip?: number) => new FakeWorld({ [V4]: place(OWN_V4, roundTrip) })
export const both = (roundTrip4?: number, roundTrip6 = roundTrip4) =>
  new FakeWorld({ [V6]: place(OWN_V6, roundTrip6), [V4]: place(OWN_V4, roundTrip4) })
export const place = (own: string, roundTrip?: number) => ({
  own,
  ...(roundTrip !== undefined && { roundTrip }),
})

/** A knock under way; `result` is there once it has ended. */
export function start(world: FakeWorld, options: KnockOptions = {}) {
  const events: KnockEvent[] = []
  const running: { result?: KnockResult; at?: number; events: KnockEvent[] } = { events }
  knockWith(
    world,
    { host: 'gate.example.com', port: 62201, key: KEY },
    { factor: TOTP, on: event => events.push(event), ...options },
  ).then(result => {
    running.result = result
    running.at = world.clock.monotonic()
  })
  return running
}

/** As the server answers: the first packet opens, the other family's joins, each told its own address. */
export const joins = (sent: FakeWorld['sent'][number]): Partial<Reply> => ({
  address: sent.knock.address,
})
