import { xchacha20 } from '@noble/ciphers/chacha.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { MacKey } from '@oneknock/shared'
import { knockOf, type Sealed } from '../harness/packets.ts'
import { makeUsers } from '../harness/world.ts'
import { emptyState, gatekeeperOf, keyringOf } from './gatekeepers.ts'

export interface Verified {
  /** Microseconds a packet, one value for each run. */
  readonly verify: number[]
  readonly primitives: number[]
}

const PACKETS = 1_000
/** The first ones are compiled while they run. */
const WARM_UP = 10

/** Good packets up to their verdict, beside the ciphers that this takes at least. */
export function verify({ runs }: { readonly runs: number }): Verified {
  const users = makeUsers({ users: PACKETS })
  const keyring = keyringOf(users)
  const packets = users.map(user => knockOf(user))
  const parts = packets.map(partsOf)
  const result: Verified = { verify: [], primitives: [] }
  for (let run = -WARM_UP; run < runs; run++) {
    const { judge } = gatekeeperOf(users, keyring, emptyState())
    const verify = microseconds(() => {
      for (const { datagram } of packets) judge({ datagram, source: '192.0.2.7' })
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

const COUNTER = new Uint8Array(8)

/** HMAC-SHA-256 and XChaCha20 over one packet, and the three HMAC-SHA-1 of a code's window. */
function partsOf({ datagram, keys }: Sealed): (secret: Uint8Array) => void {
  const mac = new MacKey(keys.knockAuthenticate)
  const signed = datagram.subarray(0, 224)
  const nonce = datagram.subarray(8, 32)
  const body = datagram.subarray(32, 224)
  return secret => {
    mac.verifies(datagram, 224, signed)
    xchacha20(keys.knockEncrypt, nonce, body)
    for (let step = 0; step < 3; step++) hmac(sha1, secret, COUNTER)
  }
}

/** For each packet. */
export function microseconds(work: () => void): number {
  const start = performance.now()
  work()
  return ((performance.now() - start) * 1000) / PACKETS
}
