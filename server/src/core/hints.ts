import { EPOCH_MS, epochOf, readU32 } from '@oneknock/shared'
import { HintKeys } from './hint-keys.ts'
import { Presence } from './presence.ts'

/** Fewest slots of a table: below this, doubling costs more than it saves. */
const SLOTS_MIN = 16
/** Far above any table's slots, so that a place tells both the table and the slot. */
const PLACES = 2 ** 26
const NOWHERE = -1

/**
 * Finds a packet's device by its hint, in the same time whatever the number of devices. One table
 * for each minute that the freshness window touches, and one ahead, filled in slices: so a minute's
 * turn costs nothing.
 *
 * Devices are small numbers, given out by `add`; that of a removed one is given out again.
 */
export class HintTable {
  /** Minutes to either side of now. */
  readonly #reach: number
  readonly #keys = new HintKeys()
  #devices = 0
  /** Numbers below `#devices` that nobody has. A hint under their wiped keys could be anybody's guess. */
  readonly #free = new Set<number>()
  #epoch = Number.NaN
  readonly #minutes = new Map<number, Minute>()
  /** The tables around the present minute, in the order in which they are searched. */
  #searched: readonly Minute[] = []
  /** Their lanes in it. */
  #lanes = 0
  #presence: Presence

  constructor(freshnessMs: number) {
    this.#reach = Math.ceil(freshnessMs / EPOCH_MS)
    this.#presence = new Presence(this.#reach * 2 + 2, SLOTS_MIN)
  }

  /** Takes in a device; its packets are found at once. */
  add(deviceKey: Uint8Array): number {
    const device = this.#newNumber()
    this.#keys.set(device, deviceKey)
    for (const minute of this.#minutes.values()) {
      // A minute still being filled gets to this device by itself.
      if (minute.filled === device) minute.filled++
      if (minute.filled > device) this.#insert(minute, device)
    }
    return device
  }

  /** No packet of this device is found any more. */
  remove(device: number): void {
    for (const minute of this.#minutes.values()) {
      if (minute.filled <= device) continue
      this.#keys.make(device, minute.epoch)
      minute.forget(this.#keys.low, device)
    }
    this.#keys.wipe(device)
    this.#free.add(device)
  }

  /**
   * The next place at which the packet's hint stands, or −1. Two devices may share a hint: pass the
   * place found to go on behind it.
   */
  find(datagram: Uint8Array, nowMs: number, after = NOWHERE): number {
    const epoch = epochOf(nowMs)
    if (epoch !== this.#epoch) this.#turn(epoch)
    const high = readU32(datagram, 0)
    const lanes = this.#presence.lanesOf(high) & this.#lanes
    if (lanes === 0) return NOWHERE
    const low = readU32(datagram, 4)
    const searched = this.#searched
    let slot = after < 0 ? NOWHERE : after % PLACES
    for (let i = after < 0 ? 0 : Math.floor(after / PLACES); i < searched.length; i++) {
      const minute = searched[i]!
      if ((lanes & minute.lane) === 0) continue
      const found = minute.find(high, low, slot)
      if (found >= 0) return i * PLACES + found
      slot = NOWHERE
    }
    return NOWHERE
  }

  deviceAt(place: number): number {
    return this.#searched[Math.floor(place / PLACES)]!.deviceAt(place % PLACES)
  }

  epochAt(place: number): number {
    return this.#searched[Math.floor(place / PLACES)]!.epoch
  }

  /**
   * Computes at most `count` hints of the minutes around `nowMs` and of the one after them, or makes
   * room for one of them, which takes as long; says whether there is more to do. Nearest minutes
   * first: after a clock's step they are missed most.
   */
  prepare(nowMs: number, count: number): boolean {
    const epoch = epochOf(nowMs)
    if (epoch !== this.#epoch) this.#turn(epoch)
    let left = count
    let more = false
    for (const wanted of this.#wanted()) {
      const minute = this.#minutes.get(wanted)
      if (!minute) {
        more = true
        if (left === count) this.#begin(wanted)
        break
      }
      const until = Math.min(this.#devices, minute.filled + left)
      left -= until - minute.filled
      this.#fill(minute, until)
      more ||= minute.filled < this.#devices
    }
    this.#turn(epoch)
    return more
  }

  /** Whether no packet of the present window is missed; the minute ahead may still be to do. */
  get isCurrent(): boolean {
    const isReady = ({ filled }: Minute) => filled === this.#devices
    return this.#searched.length === this.#reach * 2 + 1 && this.#searched.every(isReady)
  }

  #wanted(): number[] {
    const wanted = [this.#epoch]
    for (let i = 1; i <= this.#reach; i++) wanted.push(this.#epoch - i, this.#epoch + i)
    return [...wanted, this.#epoch + this.#reach + 1]
  }

  #turn(epoch: number): void {
    this.#epoch = epoch
    const searched = this.#wanted().slice(0, -1)
    for (const minute of this.#minutes.keys()) {
      if (minute < epoch - this.#reach || minute > epoch + this.#reach + 1) {
        this.#minutes.delete(minute)
      }
    }
    this.#searched = searched.flatMap(minute => this.#minutes.get(minute) ?? [])
    this.#lanes = this.#searched.reduce((lanes, { lane }) => lanes | lane, 0)
  }

  #begin(epoch: number): Minute {
    const minute = new Minute(epoch, this.#presence.laneOf(epoch), this.#devices)
    this.#presence.clear(minute.lane)
    this.#minutes.set(epoch, minute)
    return minute
  }

  #fill(minute: Minute, until: number): void {
    for (let device = minute.filled; device < until; device++) {
      if (!this.#free.has(device)) this.#insert(minute, device)
    }
    minute.filled = until
  }

  #insert(minute: Minute, device: number): void {
    if (this.#devices > this.#presence.capacity) this.#enlargePresence()
    this.#keys.make(device, minute.epoch)
    const { high, low } = this.#keys
    minute.insert(high, low, device)
    this.#presence.add(high, minute.lane)
  }

  #enlargePresence(): void {
    const { lanes } = this.#presence
    this.#presence = new Presence(lanes, 2 ** Math.ceil(Math.log2(this.#devices)))
    for (const minute of this.#minutes.values()) {
      minute.eachHigh(high => this.#presence.add(high, minute.lane))
    }
  }

  #newNumber(): number {
    for (const device of this.#free) {
      this.#free.delete(device)
      return device
    }
    return this.#devices++
  }
}

/**
 * One minute's hints: open addressing over typed arrays, less than half full, so that the usual
 * answer to junk is one look at an empty slot.
 */
class Minute {
  readonly epoch: number
  readonly lane: number
  /** Devices below this number are in. */
  filled = 0
  #entries = 0
  #mask: number
  /** Device + 1; 0 = empty; −1 = of a removed device. */
  #owner: Int32Array
  #hints: Uint32Array

  constructor(epoch: number, lane: number, devices: number) {
    this.epoch = epoch
    this.lane = lane
    let slots = SLOTS_MIN
    while (slots < devices * 2) slots *= 2
    this.#mask = slots - 1
    this.#owner = new Int32Array(slots)
    this.#hints = new Uint32Array(slots * 2)
  }

  find(high: number, low: number, after: number): number {
    const owner = this.#owner
    const hints = this.#hints
    for (
      let slot = (after < 0 ? low : after + 1) & this.#mask;
      owner[slot] !== 0;
      slot = (slot + 1) & this.#mask
    ) {
      if (hints[2 * slot] === high && hints[2 * slot + 1] === low && owner[slot]! > 0) return slot
    }
    return NOWHERE
  }

  deviceAt(slot: number): number {
    return this.#owner[slot]! - 1
  }

  insert(high: number, low: number, device: number): void {
    if (2 * (this.#entries + 1) > this.#owner.length) this.#grow()
    let slot = low & this.#mask
    while (this.#owner[slot] !== 0) slot = (slot + 1) & this.#mask
    this.#owner[slot] = device + 1
    this.#hints[2 * slot] = high
    this.#hints[2 * slot + 1] = low
    this.#entries++
  }

  forget(low: number, device: number): void {
    let slot = low & this.#mask
    while (this.#owner[slot] !== 0 && this.#owner[slot] !== device + 1) {
      slot = (slot + 1) & this.#mask
    }
    if (this.#owner[slot] !== 0) this.#owner[slot] = -1
  }

  eachHigh(use: (high: number) => void): void {
    for (let slot = 0; slot < this.#owner.length; slot++) {
      if (this.#owner[slot]! > 0) use(this.#hints[2 * slot]!)
    }
  }

  #grow(): void {
    const owner = this.#owner
    const hints = this.#hints
    this.#mask = owner.length * 2 - 1
    this.#owner = new Int32Array(owner.length * 2)
    this.#hints = new Uint32Array(owner.length * 4)
    this.#entries = 0
    for (let slot = 0; slot < owner.length; slot++) {
      if (owner[slot]! > 0) this.insert(hints[2 * slot]!, hints[2 * slot + 1]!, owner[slot]! - 1)
    }
  }
}
