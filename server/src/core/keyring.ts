import { deriveKey, derivePacketKeys, type PacketKeys } from '@oneknock/shared'
import type { Device } from './directory.ts'
import { HintTable } from './hints.ts'
import { MacStates, type TagMacs } from './macs.ts'

/**
 * Devices whose derived keys are kept: some 700 bytes each. Deriving them anew costs whoever has
 * shown to have the device's key some tens of microseconds.
 */
const READY_MAX = 8192
const NUMBERS_MIN = 16

/** The devices that may knock: by hint, and with their keys at hand. */
export class Keyring {
  readonly hints: HintTable
  readonly #devices: (Device | undefined)[] = []
  readonly #numbers = new Map<string, number>()
  /** By the same number as the hints: whose tag it is has to be found out for strangers' packets too. */
  readonly #tagMacs: TagMacs
  /** Those whose key it has: made when a packet first has the device's hint, so that a start is quick. */
  #hasTagKey = new Uint8Array(NUMBERS_MIN)
  readonly #ready = new Map<string, PacketKeys>()

  constructor(freshnessMs: number, tagMacs: TagMacs = new MacStates()) {
    this.hints = new HintTable(freshnessMs)
    this.#tagMacs = tagMacs
  }

  get size(): number {
    return this.#numbers.size
  }

  /** Makes these, each once, the devices that may knock; what has not changed keeps its place. */
  assign(devices: readonly Device[]): void {
    if (this.#numbers.size > 0) this.#removeOthers(devices)
    for (const device of devices) {
      this.#devices[this.#numbers.get(device.id) ?? this.#add(device)] = device
    }
  }

  #removeOthers(devices: readonly Device[]): void {
    const wanted = new Map(devices.map(device => [device.id, device]))
    for (const [id, number] of this.#numbers) {
      const device = wanted.get(id)
      if (!device || !sameKey(device.key, this.#devices[number]!.key)) this.#remove(id, number)
    }
  }

  device(number: number): Device | undefined {
    return this.#devices[number]
  }

  /** In constant time: whether this device made the packet. */
  hasMade(number: number, packet: Uint8Array): boolean {
    // Its device itself is not looked at: among very many, each look is into memory that no cache has.
    if (!this.#hasTagKey[number] && !this.#makeTagKey(number)) return false
    return this.#tagMacs.verifiesTag(number, packet)
  }

  keys(device: Device): PacketKeys {
    const kept = this.#ready.get(device.id)
    if (kept) return kept
    const keys = derivePacketKeys(device.key)
    if (this.#ready.size >= READY_MAX) this.#ready.delete(this.#ready.keys().next().value!)
    this.#ready.set(device.id, keys)
    return keys
  }

  #makeTagKey(number: number): boolean {
    const device = this.#devices[number]
    if (!device) return false
    this.#tagMacs.set(number, deriveKey(device.key, 'knockAuthenticate'))
    this.#hasTagKey[number] = 1
    return true
  }

  #add({ id, key }: Device): number {
    const number = this.hints.add(key)
    if (number >= this.#hasTagKey.length) {
      const grown = new Uint8Array(2 * this.#hasTagKey.length)
      grown.set(this.#hasTagKey)
      this.#hasTagKey = grown
    }
    this.#numbers.set(id, number)
    return number
  }

  #remove(id: string, number: number): void {
    this.hints.remove(number)
    this.#tagMacs.wipe(number)
    this.#hasTagKey[number] = 0
    this.#devices[number] = undefined
    this.#numbers.delete(id)
    this.#ready.delete(id)
  }
}

/** Not constant-time: both are the server's own, and a reload is not something a stranger can time. */
const sameKey = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i])
