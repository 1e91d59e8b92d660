import { type DerivedKeys, deriveKeys, MacKey } from '@oneknock/shared'
import type { Device } from './directory.ts'
import { HintTable } from './hints.ts'

/**
 * Devices whose derived keys and half-done MAC states are kept ready: some 3 KB each. Deriving them
 * anew costs one device some tens of microseconds, so a bound is cheap, and 100,000 devices stay small.
 */
const READY_MAX = 8192

/** What verifying a device's packets needs, derived once. */
export interface ReadyKeys extends DerivedKeys {
  readonly knockMac: MacKey
}

/** The devices that may knock: by hint, and with their keys at hand. */
export class Keyring {
  readonly hints: HintTable
  readonly #devices: (Device | undefined)[] = []
  readonly #numbers = new Map<string, number>()
  readonly #ready = new Map<string, ReadyKeys>()

  constructor(freshnessMs: number) {
    this.hints = new HintTable(freshnessMs)
  }

  get size(): number {
    return this.#numbers.size
  }

  /** Makes these the devices that may knock; what has not changed keeps its place. */
  assign(devices: Iterable<Device>): void {
    const wanted = new Map([...devices].map(device => [device.id, device]))
    for (const [id, number] of this.#numbers) {
      const device = wanted.get(id)
      if (!device || !sameKey(device.key, this.#devices[number]!.key)) this.#remove(id, number)
    }
    for (const device of wanted.values()) {
      const number = this.#numbers.get(device.id) ?? this.hints.add(device.key)
      this.#numbers.set(device.id, number)
      this.#devices[number] = device
    }
  }

  device(number: number): Device | undefined {
    return this.#devices[number]
  }

  keys(device: Device): ReadyKeys {
    const kept = this.#ready.get(device.id)
    if (kept) return kept
    const derived = deriveKeys(device.key)
    const keys = { ...derived, knockMac: new MacKey(derived.knockAuthenticate) }
    if (this.#ready.size >= READY_MAX) this.#ready.delete(this.#ready.keys().next().value!)
    this.#ready.set(device.id, keys)
    return keys
  }

  #remove(id: string, number: number): void {
    this.hints.remove(number)
    this.#devices[number] = undefined
    this.#numbers.delete(id)
    this.#ready.delete(id)
  }
}

/** Not constant-time: both are the server's own, and a reload is not something a stranger can time. */
const sameKey = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i])
