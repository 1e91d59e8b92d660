import {
  AT,
  type DerivedKeys,
  decryptKnock,
  epochOf,
  hintAt,
  type Knock,
  type MalformedField,
  PACKET_BYTES,
  parseKnock,
  tagOf,
  toHex,
} from '../../shared/src/index.ts'
import type { PacketStage } from '../vectors/vectors.ts'
import { bearsTag } from './tags.ts'

/** What a server knows when a packet comes in. */
export interface Moment {
  readonly devices: readonly DerivedKeys[]
  readonly clockMs: number
  readonly windowMs: number
  readonly floorMs: number
  /** Tags, hexadecimal. */
  readonly seen: readonly string[]
}

export type Reading =
  | { readonly stage: PacketStage; readonly field?: MalformedField }
  | { readonly stage: null; readonly knock: Knock }

/**
 * Steps 1 to 6 of SPEC section 7 out of nothing but `shared`, as plain as they can be written: what
 * the daemon's fast ones must agree with.
 */
export const readPacket = (datagram: Uint8Array, moment: Moment): Reading =>
  readerAt(moment)(datagram)

/** The same for many packets. */
export function readerAt(moment: Moment): (datagram: Uint8Array) => Reading {
  const { devices, clockMs, windowMs, floorMs, seen } = moment
  const known = devices.flatMap(keys => {
    return [-2, -1, 0, 1, 2].map(minutes => {
      const epoch = epochOf(clockMs) + minutes
      return { keys, epoch, hint: toHex(hintAt(keys.hint, epoch)) }
    })
  })
  return datagram => {
    if (datagram.length !== PACKET_BYTES) return { stage: 'length' }
    const hint = toHex(datagram, AT.hint, AT.nonce)
    const hinted = known.filter(one => one.hint === hint)
    if (hinted.length === 0) return { stage: 'hint' }
    const found = hinted.find(({ keys }) => bearsTag(keys.knockAuthenticate, datagram))
    if (!found) return { stage: 'tag' }
    const parsed = parseKnock(decryptKnock(found.keys.knockEncrypt, datagram))
    if (!parsed.ok) return { stage: 'malformed', field: parsed.error.field }
    const knock = parsed.value
    if (epochOf(knock.sentAt) !== found.epoch) return { stage: 'epoch' }
    if (Math.abs(clockMs - knock.sentAt) > windowMs) return { stage: 'stale' }
    if (knock.sentAt <= floorMs) return { stage: 'floor' }
    if (seen.includes(toHex(tagOf(datagram)))) return { stage: 'replay' }
    return { stage: null, knock }
  }
}
