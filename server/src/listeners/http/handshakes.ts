import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import type { Address } from '@oneknock/shared'
import { Buckets } from '../../core/buckets.ts'
import { TLS_HANDSHAKE } from './blind.ts'
import { Budget } from './budget.ts'
import {
  HANDSHAKE_MS,
  HANDSHAKES_MAX,
  HANDSHAKES_PER_SOURCE,
  SOURCE_HANDSHAKE_MS,
} from './limits.ts'

/** Which TLS handshakes may begin: whatever strangers do here, the loop has time for knocks. */
export class Handshakes {
  readonly #each = new Budget(HANDSHAKES_PER_SOURCE, SOURCE_HANDSHAKE_MS)
  readonly #all = new Buckets(HANDSHAKES_MAX, HANDSHAKE_MS)

  /** A proxy brings many, and is no source of its own. */
  mayBegin(peer: Address, isProxy: boolean, monotonicMs: number): boolean {
    return (
      (isProxy || this.#each.take(peer, monotonicMs)) && this.#all.take('everybody', monotonicMs)
    )
  }
}

/**
 * TLS on an accepted connection, once its client has begun a handshake and may: whoever only sits there
 * uses up nobody's. What comes out of it is looked at as if it had come in plain.
 */
export function secured(
  socket: Socket,
  secureContext: SecureContext,
  mayBegin: () => boolean,
  use: (stream: TLSSocket) => void,
): void {
  const hangUp = (): void => void socket.destroy()
  socket.once('end', hangUp)
  socket.once('data', first => {
    socket.off('end', hangUp).pause()
    if (first[0] !== TLS_HANDSHAKE || !mayBegin()) return hangUp()
    socket.unshift(first)
    const stream = new TLSSocket(socket, { isServer: true, secureContext })
    stream.on('error', hangUp)
    use(stream)
  })
}
