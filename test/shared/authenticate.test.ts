import { describe, expect, it } from 'vitest'
import { Keyring } from '../../server/src/core/keyring.ts'
import { ReplayMemory } from '../../server/src/core/replay.ts'
import { authenticate } from '../../server/src/core/verify.ts'
import { fromHex } from '../../shared/src/index.ts'
import { loadPackets, type PacketVector } from '../vectors/vectors.ts'

const file = loadPackets()
const bytes = (hex: string) => fromHex(hex)!

function keyringAt(clockMs: number): Keyring {
  const keyring = new Keyring(file.freshness_window_ms)
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
    windowMs: file.freshness_window_ms,
    floor: device => (device === 'alice/laptop' ? floor_ms : 0),
  })
  if (typeof authentic === 'string') return authentic
  const { sentAt } = authentic.knock
  const replay = new ReplayMemory(file.freshness_window_ms)
  for (const tag of seen) replay.add(bytes(tag), authentic.device.id, sentAt)
  return replay.has(bytes(datagram).subarray(224), sentAt) ? 'replay' : null
}

describe('the daemon stops each vector at the stage that it names', () => {
  it.each(file.vectors)('$name: $what', vector => {
    expect(stageOf(vector)).toBe(vector.stage)
  })
})
