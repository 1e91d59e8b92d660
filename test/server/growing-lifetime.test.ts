import { expect, it } from 'vitest'
import { asRead, type Kit, kit, service, user } from './kit.ts'

const MINUTE = 60_000
const services = [
  service('forwards', { lifetime: 1_200, maxLifetime: 18_000, grows: 3 }),
  service('ssh', { maxLifetime: 3_600 }),
]
const options = { services, users: [user('alice', 1, { services: ['forwards', 'ssh'] })] }

/** Knocks with the code of now; seconds granted. */
async function knock(k: Kit, source = '203.0.113.7', lifetime = 0, names = ['forwards']) {
  const packet = k.packet({ factor: k.code(), services: names, lifetime })
  const reply = await k.send(packet, source)
  return reply === 'silence' ? reply : reply.lifetime
}

function pass(k: Kit, ms: number): void {
  k.clock.pass(ms)
  while (k.keyring.hints.prepare(k.clock.now(), 1000));
}

it('a lifetime grows with each time that somebody comes again, up to its cap', async () => {
  const k = kit(options)
  const granted: unknown[] = []
  for (const minutes of [20, 60, 180, 300, 300]) {
    granted.push(await knock(k))
    pass(k, minutes * MINUTE)
  }
  expect(granted).toEqual([1_200, 3_600, 10_800, 18_000, 18_000])
})

it('it cannot be asked for before its time, but less of it can', async () => {
  const k = kit(options)
  expect(await knock(k, '203.0.113.7', 18_000)).toBe(1_200)
  pass(k, 20 * MINUTE)
  expect(await knock(k, '203.0.113.7', 60)).toBe(60)
})

it('knocking over and over gains nothing, another address nothing either', async () => {
  const k = kit(options)
  for (let i = 0; i < 5; i++) {
    expect(await knock(k)).toBe(1_200)
    pass(k, MINUTE)
  }
  pass(k, 15 * MINUTE)
  expect(await knock(k, '203.0.113.8')).toBe(1_200)
  pass(k, MINUTE)
  expect(await knock(k)).toBe(3_600)
})

it('it is the ledger that remembers, also at a restart', async () => {
  const k = kit(options)
  await knock(k)
  pass(k, 20 * MINUTE)
  const next = kit({ ...options, clock: k.clock, ledger: k.lines })
  expect(await knock(next)).toBe(3_600)
  const restored = kit({ ...options, clock: k.clock })
  restored.state.restore(asRead(k.state.checkpoint()))
  expect(await knock(restored)).toBe(3_600)
})

it('a service without growth asks nobody, and leaves no trace', async () => {
  const k = kit(options)
  await knock(k, '203.0.113.7', 0, ['ssh'])
  expect(asRead(k.state.familiarity.record())).toEqual([])
  expect(JSON.stringify(k.lines[0]!.event)).not.toContain('visits')
})
