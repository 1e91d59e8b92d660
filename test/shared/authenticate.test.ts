import { describe, expect, it } from 'vitest'
import { Keyring } from '../../server/src/core/keyring.ts'
import { ReplayMemory } from '../../server/src/core/replay.ts'
import { authenticate } from '../../server/src/core/verify.ts'
import { fromHex } from '../../shared/src/index.ts'
import { loadPackets, type PacketVector } from '../vectors/vectors.ts'

const file = loadPackets()
const windowMs = file.freshness_window_ms
const bytes = (hex: string) => fromHex(hex)!

function keyringAt(clockMs: number): Keyring {
  const keyring = new Keyring(windowMs)
  const enrolled = Object.entries(file.devices).filter(([, { enrolled }]) => enrolled)
  keyring.assign(
    enrolled.map(([label, { device_key }]) => ({
      user: 'alice',
      label,
      id: `alice/${label}`,
      key: bytes(device_key),
      enrolledAt: clockMs,
    })),
  )
  while (keyring.hints.prepare(clockMs, 100));
  return keyring
}

/** The daemon's own steps 1 to 5, and the look-up of step 6. */
function stageOf({ datagram, clock_ms, floor_ms, seen }: PacketVector): string | null {
  const authentic = authenticate(bytes(datagram), keyringAt(clock_ms), clock_ms, {
    windowMs,
    floor: device => (device === 'alice/laptop' ? floor_ms : 0),
  })
  if (typeof authentic === 'string') return authentic
  const { sentAt } = authentic.knock
  const replay = new ReplayMemory(windowMs)
  for (const tag of seen) replay.add(bytes(tag), authentic.device.id, sentAt)
  return replay.has(bytes(datagram).subarray(224), sentAt) ? 'replay' : null
}

describe('the daemon stops each vector at the stage that it names', () => {
  it.each(file.vectors)('$name: $what', vector => {
    expect(stageOf(vector)).toBe(vector.stage)
  })
})

describe('one wrong bit', () => {
  it('anywhere in a packet is met with silence by the daemon', () => {
    const { datagram, clock_ms } = file.vectors.find(({ name }) => name === 'open')!
    const keyring = keyringAt(clock_ms)
    const packet = bytes(datagram)
    const stageNow = () => authenticate(packet, keyring, clock_ms, { windowMs, floor: () => 0 })
    expect(stageNow()).toMatchObject({ device: { id: 'alice/laptop' } })
    for (let bit = 0; bit < 8 * packet.length; bit++) {
      packet[bit >> 3]! ^= 0x80 >> (bit & 7)
      expect(stageNow()).toBe(bit < 64 ? 'hint' : 'tag')
      packet[bit >> 3]! ^= 0x80 >> (bit & 7)
    }
    expect(stageNow()).toMatchObject({ device: { id: 'alice/laptop' } })
  })
})
