import { createHmac } from 'node:crypto'
import { xchacha20 } from '@noble/ciphers/chacha.js'
import { AT, parseAddress, tagOf, toHex } from '@oneknock/shared'
import { Buckets } from '../../../server/src/core/buckets.ts'
import { systemClock } from '../../../server/src/core/clock.ts'
import type { User } from '../../../server/src/core/directory.ts'
import type { KnockEvent } from '../../../server/src/core/events.ts'
import { judge } from '../../../server/src/core/judge.ts'
import { authenticate, type SilentStage } from '../../../server/src/core/verify.ts'
import { pooledRandom } from '../../../server/src/random.ts'
import { knockOf, type Sealed } from '../harness/packets.ts'
import { makeUsers } from '../harness/world.ts'
import { directoryOf, emptyState, FRESHNESS_MS, HOST, keyringOf } from './gatekeepers.ts'

export interface Verified {
  /** Microseconds a packet, one value for each run. */
  readonly verify: number[]
  readonly primitives: number[]
}

const PACKETS = 1_000
/** The first ones are compiled while they run. */
const WARM_UP = 20

/** Good packets up to their verdict, beside the ciphers that this takes at least. */
export function verify({ runs }: { readonly runs: number }): Verified {
  const users = makeUsers({ users: PACKETS })
  const packets = users.map(user => knockOf(user))
  const toVerdict = verifier(users)
  const parts = packets.map(primitivesOf)
  const result: Verified = { verify: [], primitives: [] }
  for (let run = -WARM_UP; run < runs; run++) {
    const verify = microseconds(() => {
      for (const { datagram } of packets) expectOpened(toVerdict(datagram))
    })
    const primitives = microseconds(() => {
      for (const [i, part] of parts.entries()) part(users[i]!.totp!.secret)
    })
    if (run < 0) continue
    result.verify.push(verify)
    result.primitives.push(primitives)
  }
  return result
}

/** Steps 1 to 9, as the gatekeeper takes them; but nothing is remembered, so that a packet can be judged again. */
function verifier(users: readonly User[]): (datagram: Uint8Array) => KnockEvent | SilentStage {
  const keyring = keyringOf(users)
  const state = emptyState()
  const directory = directoryOf(users)
  const random = pooledRandom()
  const newGrantId = () => toHex(random(8))
  const newTokenHash = () => undefined
  const freshness = { windowMs: FRESHNESS_MS, floor: (id: string) => state.replay.floor(id) }
  return datagram => {
    const now = systemClock.now()
    const authentic = authenticate(datagram, keyring, now, freshness)
    if (typeof authentic === 'string') return authentic
    const { device, knock } = authentic
    const tag = tagOf(datagram).slice()
    const source = parseAddress('192.0.2.7')!
    if (state.replay.has(tag, knock.sentAt)) return 'replay'
    if (!new Buckets().take(device.id, systemClock.monotonic())) return 'rate'
    const circumstances = { directory, host: HOST, state, now, newGrantId, newTokenHash }
    return judge({ device, knock, tag, source }, circumstances)
  }
}

function expectOpened(verdict: KnockEvent | SilentStage): void {
  const status = typeof verdict === 'string' ? verdict : verdict.outcome.status
  if (status !== 'opened') throw new Error(`a good packet ended as ${status}`)
}

const COUNTER = new Uint8Array(8)

/**
 * HMAC-SHA-256 and XChaCha20 over one packet, and the three HMAC-SHA-1 of a code's window: the
 * platform's own HMAC, and the cipher that the daemon uses.
 */
function primitivesOf({ datagram, keys }: Sealed): (secret: Uint8Array) => void {
  const signed = datagram.subarray(0, AT.tag)
  const nonce = datagram.subarray(AT.nonce, AT.body)
  const body = datagram.subarray(AT.body, AT.tag)
  return secret => {
    createHmac('sha256', keys.knockAuthenticate).update(signed).digest()
    xchacha20(keys.knockEncrypt, nonce, body)
    for (let step = 0; step < 3; step++) createHmac('sha1', secret).update(COUNTER).digest()
  }
}

/** Of the processor's time, for each packet. */
export function microseconds(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / PACKETS
}
