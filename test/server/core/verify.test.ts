import { describe, expect, it } from 'vitest'
import { Keyring } from '../../../server/src/core/keyring.ts'
import { authenticate } from '../../../server/src/core/verify.ts'
import { device, FRESHNESS_MS, HandClock, packet } from '../kit.ts'

const [one, two, three] = [1, 2, 3].map(seed => device('alice', `d${seed}`, seed)) as [
  ReturnType<typeof device>,
  ReturnType<typeof device>,
  ReturnType<typeof device>,
]
const freshness = { windowMs: FRESHNESS_MS, floor: () => 0 }

describe('two devices that share a hint', () => {
  /** As if the hints of these two were the same; nobody can make such keys. */
  function colliding(clock: HandClock): Keyring {
    const keyring = new Keyring(FRESHNESS_MS)
    keyring.assign([one, two])
    while (keyring.hints.prepare(clock.now(), 100));
    const { hints } = keyring
    const seed = hints.find(packet(clock, {}, one).datagram, clock.now())
    const places = [seed, hints.find(packet(clock, {}, two).datagram, clock.now())]
    hints.find = (_datagram, _now, after = -1) => places[places.indexOf(after) + 1] ?? -1
    return keyring
  }

  it.each([
    ['the first', one],
    ['the second', two],
  ])('are both tried: %s', (_, by) => {
    const clock = new HandClock()
    const { datagram } = packet(clock, {}, by)
    const authentic = authenticate(datagram, colliding(clock), clock.now(), freshness)
    expect(authentic).toMatchObject({ device: { id: by.id } })
  })

  it('and neither has made a third one’s packet', () => {
    const clock = new HandClock()
    const { datagram } = packet(clock, {}, three)
    expect(authenticate(datagram, colliding(clock), clock.now(), freshness)).toBe('tag')
  })
})

describe('a keyring', () => {
  const heard = (keyring: Keyring, clock: HandClock, by: typeof one) => {
    const result = authenticate(packet(clock, {}, by).datagram, keyring, clock.now(), freshness)
    return typeof result === 'string' ? result : result.device
  }

  it('takes in, keeps and gives away devices by what is assigned', () => {
    const clock = new HandClock()
    const keyring = new Keyring(FRESHNESS_MS)
    keyring.assign([one, two])
    while (keyring.hints.prepare(clock.now(), 100));
    expect(heard(keyring, clock, one)).toBe(one)
    keyring.assign([two, three])
    expect(keyring.size).toBe(2)
    expect([one, two, three].map(by => heard(keyring, clock, by))).toEqual(['hint', two, three])
  })

  it('hears the new key of a device, and no longer the old one', () => {
    const clock = new HandClock()
    const keyring = new Keyring(FRESHNESS_MS)
    keyring.assign([one, two])
    while (keyring.hints.prepare(clock.now(), 100));
    const renewed = { ...one, key: three.key }
    keyring.assign([renewed, two])
    expect([one, renewed, two].map(by => heard(keyring, clock, by))).toEqual(['hint', renewed, two])
    const elsewhere = { ...renewed, enrolledAt: 5 }
    keyring.assign([elsewhere, two])
    expect(heard(keyring, clock, one)).toBe('hint')
    expect(heard(keyring, clock, elsewhere)).toBe(elsewhere)
  })
})
