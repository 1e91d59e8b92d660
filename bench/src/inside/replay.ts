import { TAG_BYTES } from '@oneknock/shared'
import type { User } from '../../../server/src/core/directory.ts'
import type { Keyring } from '../../../server/src/core/keyring.ts'
import type { ReplayMemory } from '../../../server/src/core/replay.ts'
import { pooledRandom } from '../../../server/src/random.ts'
import { knockOf, type Sealed } from '../harness/packets.ts'
import { makeUsers } from '../harness/world.ts'
import { emptyState, gatekeeperOf, keyringOf } from './gatekeepers.ts'
import { microseconds } from './verify.ts'

export interface Replayed {
  /** Microseconds a packet, one value for each run. */
  readonly perPacket: number[]
  readonly bytesPerEntry: number
}

const PACKETS = 1_000
/** The first ones are compiled while they run. */
const WARM_UP = 5
/** What is remembered came from so many devices, in the minutes that a window spans. */
const DEVICES = 1_000
const MINUTES = 4
const MINUTE_MS = 60_000
/** The runs themselves are remembered too: beyond this part, the memory is made anew. */
const GROWTH_MAX = 1.1

/**
 * Good packets up to their verdict, while so many earlier ones are remembered. The sizes take turns,
 * so that what drifts hits each alike.
 */
export function replay({
  sizes,
  runs,
}: {
  readonly sizes: readonly number[]
  readonly runs: number
}): Replayed[] {
  const users = makeUsers({ users: PACKETS })
  const keyring = keyringOf(users)
  const rivals = sizes.map(entries => {
    const before = held()
    const memory = filled(entries)
    const bytesPerEntry = (held() - before) / memory.size
    return { entries, memory, bytesPerEntry, perPacket: [] as number[] }
  })
  for (let run = -WARM_UP; run < runs; run++) {
    const packets = users.map(user => knockOf(user)) // None of the rivals has seen them.
    for (const [turn] of rivals.entries()) {
      const rival = rivals[(turn + run + WARM_UP) % rivals.length]!
      if (rival.memory.size > rival.entries * GROWTH_MAX) rival.memory = filled(rival.entries)
      const took = judgeAll(packets, users, keyring, rival.memory)
      if (run >= 0) rival.perPacket.push(took)
    }
  }
  return rivals.map(({ perPacket, bytesPerEntry }) => ({ perPacket, bytesPerEntry }))
}

/** Microseconds for each. */
function judgeAll(
  packets: readonly Sealed[],
  users: readonly User[],
  keyring: Keyring,
  memory: ReplayMemory,
): number {
  // All else is forgotten between two runs, or their codes would be used up.
  const state = Object.assign(emptyState(), { replay: memory })
  const { judge } = gatekeeperOf(users, keyring, state)
  globalThis.gc?.() // What was made for this run is no part of it.
  return microseconds(() => {
    for (const { datagram } of packets) judge({ datagram, source: '192.0.2.7' })
  })
}

function filled(entries: number): ReplayMemory {
  const { replay } = emptyState()
  const now = Date.now()
  const random = pooledRandom()
  for (let i = 0; i < entries; i++) {
    const sentAt = now - ((i * 7919) % (MINUTES * MINUTE_MS))
    replay.add(random(TAG_BYTES), `user-${i % DEVICES}/device-0`, sentAt)
  }
  return replay
}

/** Bytes that live objects and buffers have. */
function held(): number {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
