import {
  decryptKnock,
  epochOf,
  type Knock,
  PACKET_BYTES,
  type PacketKeys,
  parseKnock,
} from '@oneknock/shared'
import type { Device } from './directory.ts'
import type { Keyring } from './keyring.ts'

/** Where a packet that gets no answer was stopped, in the order of the steps of DESIGN 4. */
export const SILENT_STAGES = [
  'length',
  'hint',
  'tag',
  'malformed',
  'epoch',
  'stale',
  'floor',
  'replay',
  'rate',
] as const
export type SilentStage = (typeof SILENT_STAGES)[number]

/** A packet that someone with the device's key made, about now. */
export interface Authentic {
  readonly device: Device
  readonly keys: PacketKeys
  readonly knock: Knock
}

export interface Freshness {
  /** Milliseconds that a packet may be older or newer than the server's clock. */
  readonly windowMs: number
  /** The greatest sent_at of this device that is no longer remembered: nothing up to it is fresh. */
  readonly floor: (deviceId: string) => number
}

/**
 * Steps 1 and 2 as far as they go without a clock: what stops here would at any time. Nearly all that
 * strangers send does, and to read the clock takes as long as the look.
 */
export function stopsAtOnce(
  datagram: Uint8Array,
  { hints }: Keyring,
): Extract<SilentStage, 'length' | 'hint'> | undefined {
  if (datagram.length !== PACKET_BYTES) return 'length'
  return hints.mayHave(datagram) ? undefined : 'hint'
}

/**
 * Steps 1 to 5: whose packet it is, or where it was stopped. Costs a stranger's packet one look-up,
 * and one with a right hint and a wrong tag one HMAC; neither allocates.
 */
export function authenticate(
  datagram: Uint8Array,
  keyring: Keyring,
  nowMs: number,
  freshness: Freshness,
): Authentic | SilentStage {
  if (datagram.length !== PACKET_BYTES) return 'length'
  const { hints } = keyring
  let place = hints.find(datagram, nowMs)
  if (place < 0) return 'hint'
  for (; place >= 0; place = hints.find(datagram, nowMs, place)) {
    const number = hints.deviceAt(place)
    if (!keyring.hasMade(number, datagram)) continue
    const device = keyring.device(number)!
    const keys = keyring.keys(device)
    return readAuthentic(datagram, device, keys, hints.epochAt(place), nowMs, freshness)
  }
  return 'tag'
}

function readAuthentic(
  datagram: Uint8Array,
  device: Device,
  keys: PacketKeys,
  epoch: number,
  nowMs: number,
  { windowMs, floor }: Freshness,
): Authentic | SilentStage {
  const parsed = parseKnock(decryptKnock(keys.knockEncrypt, datagram))
  if (!parsed.ok) return 'malformed'
  const knock = parsed.value
  if (epochOf(knock.sentAt) !== epoch) return 'epoch'
  if (Math.abs(nowMs - knock.sentAt) > windowMs) return 'stale'
  if (knock.sentAt <= floor(device.id)) return 'floor'
  return { device, keys, knock }
}
