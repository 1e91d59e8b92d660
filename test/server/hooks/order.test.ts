import { formatNetwork } from '@oneknock/shared'
import { describe, expect, it } from 'vitest'
import { parseOrder } from '../../../server/src/hooks/exec/order.ts'

const ORDER = {
  event: 'open',
  service: 'backup',
  network: '203.0.113.0/24',
  until: 1_800_000_000_000,
}

describe('an order to the helper', () => {
  it('is a service, an event and an opening', () => {
    const order = parseOrder(ORDER)!
    expect(order).toMatchObject({
      event: 'open',
      opening: { service: 'backup', until: ORDER.until },
    })
    expect(formatNetwork(order.opening.network)).toBe(ORDER.network)
    expect(parseOrder({ ...ORDER, event: 'close', network: '2001:db8::7' })?.event).toBe('close')
    expect(parseOrder({ ...ORDER, user: 'alice' })?.opening.user).toBe('alice')
    expect(order.opening).not.toHaveProperty('user')
  })

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'open backup'],
    ['a list', [ORDER]],
    ['another event', { ...ORDER, event: 'run' }],
    ['no service', { ...ORDER, service: undefined }],
    ['a path for a service', { ...ORDER, service: '../backup' }],
    ['a text for an address', { ...ORDER, network: '203.0.113.7; rm -rf /' }],
    ['no time', { ...ORDER, until: '1800000000000' }],
    ['a time that is none', { ...ORDER, until: Number.NaN }],
    ['a command', { ...ORDER, open: ['/bin/sh'] }],
    ['an account', { ...ORDER, as: 'root' }],
    ['a user who is none', { ...ORDER, user: 'alice; id' }],
  ])('is not %s', (_, value) => {
    expect(parseOrder(value)).toBeUndefined()
  })
})
