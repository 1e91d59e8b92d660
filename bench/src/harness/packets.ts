import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Address,
  ANY,
  type DerivedKeys,
  deriveKey,
  deriveKeys,
  epochOf,
  hintAt,
  KNOCK_ID_BYTES,
  type Knock,
  NONCE_BYTES,
  openReply,
  PACKET_BYTES,
  type Reply,
  sealKnock,
  tagOf,
  toHex,
  totpCode,
  totpStep,
} from '@oneknock/shared'
import type { Device, User } from '../../../server/src/core/directory.ts'
import { SERVICE } from './world.ts'

/** Enough that a packet's hint is no longer in any cache when its turn comes again. */
export const POOL_PACKETS = 65_536

/** Packets of the right size and of no other merit. */
export function writeJunk(folder: string): string {
  return writePool(folder, 'junk', randomBytes(POOL_PACKETS * PACKET_BYTES))
}

/** What an eavesdropper can make: the hints of this minute, seen on the wire, before random bytes. */
export function writeWrongTags(folder: string, users: readonly User[]): string {
  const hints = users
    .flatMap(({ devices }) => devices)
    .slice(0, POOL_PACKETS)
    .map(({ key }) => hintAt(deriveKey(key, 'hint'), epochOf(Date.now())))
  const bytes = randomBytes(POOL_PACKETS * PACKET_BYTES)
  for (let i = 0; i < POOL_PACKETS; i++) bytes.set(hints[i % hints.length]!, i * PACKET_BYTES)
  return writePool(folder, `wrong-tags-of-${hints.length}`, bytes)
}

function writePool(folder: string, name: string, bytes: Buffer): string {
  const file = join(folder, name)
  writeFileSync(file, bytes)
  return file
}

/** A good packet, and what its sender needs to read the answer. */
export interface Sealed {
  readonly datagram: Uint8Array
  readonly keys: DerivedKeys
}

export interface KnockChoice {
  /** Which of the user's devices. */
  readonly device?: number
  readonly address?: Address
  /** Which code: that of now, or of so many steps later. */
  readonly step?: number
  readonly knockId?: string
  /** Seconds; absent: the service's own. */
  readonly lifetime?: number
}

export function knockOf(user: User, choice: KnockChoice = {}): Sealed {
  const { device = 0, address = ANY, step = 0, knockId = newKnockId(), lifetime = 0 } = choice
  const now = Date.now()
  const keys = keysOf(user.devices[device]!)
  const knock: Knock = {
    verb: 'open',
    factor: { kind: 'totp', code: totpCode(user.totp!.secret, totpStep(now) + step) },
    lifetime,
    sentAt: now,
    knockId,
    address,
    prefix: 128,
    services: [SERVICE],
  }
  const sealed = sealKnock(keys, new Uint8Array(randomBytes(NONCE_BYTES)), knock)
  if (!sealed.ok) throw new Error(`no such packet: ${sealed.error.field}`)
  return { datagram: sealed.value, keys }
}

/** Its keys are derived once for each device, as a client does for all packets of a knock. */
const derived = new WeakMap<Device, DerivedKeys>()

function keysOf(device: Device): DerivedKeys {
  const keys = derived.get(device) ?? deriveKeys(device.key)
  derived.set(device, keys)
  return keys
}

export const newKnockId = (): string => toHex(randomBytes(KNOCK_ID_BYTES))

/** What the answer to this packet says; `undefined` if it is none. */
export function readAnswer({ datagram, keys }: Sealed, reply: Uint8Array): Reply | undefined {
  const opened = openReply(keys, tagOf(datagram), reply)
  return opened.ok ? opened.value : undefined
}
