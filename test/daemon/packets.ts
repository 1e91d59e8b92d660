import { randomBytes } from 'node:crypto'
import {
  ANY,
  type DerivedKeys,
  deriveKeys,
  KNOCK_ID_BYTES,
  type Knock,
  NO_FACTOR,
  NONCE_BYTES,
  openReply,
  type Reply,
  sealKnock,
  tagOf,
  toHex,
} from '@oneknock/shared'
import type { Device } from '../../server/src/core/directory.ts'

/** A good packet, and what its sender needs to read the answer. */
export interface Packet {
  readonly datagram: Uint8Array
  readonly keys: DerivedKeys
  readonly knock: Knock
}

const ready = new WeakMap<Device, DerivedKeys>()

/** A packet of that device, made now, that asks what it is told to. */
export function seal(device: Device, asks: Partial<Knock>): Packet {
  const keys = ready.get(device) ?? deriveKeys(device.key)
  ready.set(device, keys)
  const knock: Knock = {
    verb: 'open',
    factor: NO_FACTOR,
    lifetime: 0,
    sentAt: Date.now(),
    knockId: newKnockId(),
    address: ANY,
    prefix: 128,
    services: [],
    ...asks,
  }
  const sealed = sealKnock(keys, new Uint8Array(randomBytes(NONCE_BYTES)), knock)
  if (!sealed.ok) throw new Error(`no such packet: ${sealed.error.field}`)
  return { datagram: sealed.value, keys, knock }
}

export const newKnockId = (): string => toHex(randomBytes(KNOCK_ID_BYTES))

/** What the answer to this packet says; `undefined` if it is none. */
export function readReply({ datagram, keys }: Packet, reply: Uint8Array): Reply | undefined {
  const opened = openReply(keys, tagOf(datagram), reply)
  return opened.ok ? opened.value : undefined
}
