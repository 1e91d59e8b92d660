import { describe, expect, it } from 'vitest'
import { BURST } from '../../server/src/core/buckets.ts'
import { SILENT_STAGES } from '../../server/src/core/verify.ts'
import { fromHex } from '../../shared/src/index.ts'
import { loadPackets, type PacketVector } from '../vectors/vectors.ts'
import { type Kit, kit, user } from './kit.ts'

const { vectors, devices, freshness_window_ms } = loadPackets()
const bytes = (hex: string) => fromHex(hex)!

/** A gatekeeper in the vector's situation, and which stage its packet is counted at. */
function judged(vector: PacketVector, before: (k: Kit) => void = () => {}) {
  const enrolled = Object.entries(devices).filter(([, { enrolled }]) => enrolled)
  const k = kit({
    users: [
      user('alice', 1, {
        devices: enrolled.map(([label, { device_key }]) => ({
          user: 'alice',
          label,
          id: `alice/${label}`,
          key: bytes(device_key),
          enrolledAt: vector.clock_ms,
        })),
      }),
    ],
  })
  k.clock.wall = vector.clock_ms
  while (k.keyring.hints.prepare(k.clock.now(), 1000));
  k.state.replay.restore({ floors: { 'alice/laptop': vector.floor_ms }, minutes: [] })
  for (const tag of vector.seen) {
    k.state.replay.add(bytes(tag), 'alice/laptop', vector.epoch * 60_000)
  }
  before(k)
  const verdict = k.gatekeeper.judge({
    datagram: bytes(vector.datagram),
    source: '203.0.113.7',
  })
  const counts = k.counters.read()
  const stages = SILENT_STAGES.filter(stage => counts[stage] > 0)
  return { k, verdict, stages }
}

describe('the gatekeeper meets each vector', () => {
  expect(freshness_window_ms).toBe(120_000)

  it.each(vectors)('$name: $what', async vector => {
    const { k, verdict, stages } = judged(vector)
    expect(stages).toEqual(vector.stage ? [vector.stage] : [])
    expect((await verdict).kind).toBe(vector.stage ? 'silence' : 'answer')
    if (vector.stage) {
      // Nothing is left of it: no line, no memory.
      expect(k.lines).toEqual([])
      expect(k.state.replay.size).toBe(vector.seen.length)
    }
  })

  it('and a good one, from a device whose bucket is empty, at the stage "rate"', async () => {
    const good = vectors.find(({ name }) => name === 'open')!
    const { verdict, stages } = judged(good, k => {
      const laptop = user('alice', 1).devices[0]!
      const { device_key } = devices.laptop!
      for (let i = 0; i < BURST; i++) {
        const its = { ...laptop, key: bytes(device_key) }
        void k.send(k.packet({ verb: 'close' }, its))
      }
    })
    expect(stages).toEqual(['rate'])
    expect((await verdict).kind).toBe('silence')
  })
})
