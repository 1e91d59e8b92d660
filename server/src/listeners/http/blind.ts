import type { Duplex } from 'node:stream'
import { type Claim, findClaim } from './code.ts'
import { BLIND_BYTES } from './limits.ts'

/** A method and a space (RFC 9112 section 3). Codes and names have no capitals, or no space behind them. */
const HTTP = /^[A-Z]{3,16} /
const MAYBE_HTTP = /^[A-Z]{0,16}$/
/** How a TLS handshake begins (RFC 8446 section 5.1): nobody types that. */
const TLS_HANDSHAKE = 0x16

export type Found =
  | { readonly kind: 'http'; readonly first: Buffer }
  | { readonly kind: 'claim'; readonly claim: Claim }
  | { readonly kind: 'nothing' }

/**
 * Looks at what comes first: HTTP, which is given back to be read from the start, or else a code,
 * typed blind or sent by whatever program.
 */
export function lookAtFirst(stream: Duplex, found: (what: Found) => void): void {
  let bytes = Buffer.alloc(0)
  const end = (what: Found) => {
    stream.off('data', hear).off('end', ended).pause()
    found(what)
  }
  const hear = (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
    const text = bytes.toString('latin1', 0, BLIND_BYTES)
    if (HTTP.test(text)) return end({ kind: 'http', first: bytes })
    if (MAYBE_HTTP.test(text)) return
    if (bytes[0] === TLS_HANDSHAKE) return end({ kind: 'nothing' })
    // Until its line has ended, more of it may come.
    const lines = text.slice(0, text.search(/[\r\n][^\r\n]*$/) + 1)
    const isFull = bytes.length >= BLIND_BYTES
    const claim = findClaim(isFull ? text : lines)
    if (claim) end({ kind: 'claim', claim })
    else if (isFull) end({ kind: 'nothing' })
  }
  const ended = () => {
    const claim = findClaim(bytes.toString('latin1'))
    end(claim ? { kind: 'claim', claim } : { kind: 'nothing' })
  }
  stream.on('data', hear).on('end', ended)
}
