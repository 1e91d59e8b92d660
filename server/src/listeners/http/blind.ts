import type { Duplex } from 'node:stream'
import { type Claim, findClaim } from './code.ts'
import { BLIND_BYTES } from './limits.ts'

/** A method and a space (RFC 9112 section 3). Codes and names have no capitals, or no space behind them. */
const HTTP = /^[A-Z]{3,16} /
const MAYBE_HTTP = /^[A-Z]{0,16}$/
/** How a TLS handshake begins (RFC 8446 section 5.1): nobody types that. */
export const TLS_HANDSHAKE = 0x16

export type Found =
  | { readonly kind: 'http'; readonly first: Buffer }
  | { readonly kind: 'claim'; readonly claim: Claim }
  | { readonly kind: 'nothing' }

/**
 * Looks at what comes first: HTTP, which is given back to be read from the start, or else a code,
 * typed blind or sent by whatever program.
 */
export function lookAtFirst(stream: Duplex, found: (what: Found) => void): void {
  let first = Buffer.alloc(0)
  const lines = new BlindLines()
  let isBlind = false
  const end = (what: Found) => {
    stream.off('data', hear).off('end', ended).pause()
    found(what)
  }
  const hear = (chunk: Buffer) => {
    if (isBlind) return search(chunk)
    first = Buffer.concat([first, chunk])
    const text = first.toString('latin1')
    if (HTTP.test(text)) return end({ kind: 'http', first })
    if (MAYBE_HTTP.test(text)) return
    if (first[0] === TLS_HANDSHAKE) return end({ kind: 'nothing' })
    isBlind = true
    search(first)
  }
  const search = (chunk: Buffer) => {
    const claim = lines.hear(chunk)
    if (claim) end({ kind: 'claim', claim })
    else if (lines.isFull) end({ kind: 'nothing' })
  }
  const ended = () => {
    const claim = isBlind ? lines.end() : findClaim(first.toString('latin1'))
    end(claim ? { kind: 'claim', claim } : { kind: 'nothing' })
  }
  stream.on('data', hear).on('end', ended)
}

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** Looks for a code in each line when it has ended, and never twice at the same bytes. */
class BlindLines {
  #heard = 0
  #line = ''

  get isFull(): boolean {
    return this.#heard >= BLIND_BYTES
  }

  hear(chunk: Buffer): Claim | undefined {
    const within = chunk.subarray(0, BLIND_BYTES - this.#heard)
    this.#heard += within.length
    const at = Math.max(within.lastIndexOf(LINE_FEED), within.lastIndexOf(CARRIAGE_RETURN))
    const [ended, rest] = [within.subarray(0, at + 1), within.subarray(at + 1)]
    const claim = at < 0 ? undefined : findClaim(this.#line + ended.toString('latin1'))
    this.#line = (at < 0 ? this.#line : '') + rest.toString('latin1')
    return claim ?? (this.isFull ? this.end() : undefined)
  }

  /** No more will come: what there is of the last line is all of it. */
  end(): Claim | undefined {
    return findClaim(this.#line)
  }
}
