import { EPOCH_MS, epochOf, readU32 } from '@oneknock/shared'
import { HintKeys } from './hint-keys.ts'
import { Presence } from './presence.ts'

/** Fewest slots of a table: below this, doubling costs more than it saves. */
const SLOTS_MIN = 16
/** Far above any table's slots, so that a place tells both the table and the slot. */
const PLACES = 2 ** 26
const NOWHERE = -1
/** Words of a table that are cleared in the time of one hint, on a machine whose memory is slow. */
const WORDS_PER_HINT = 256

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
  /** Of a minute that is over, for the next: no more is ever asked of the memory than there is. */
  #room: Int32Array | undefined
  /** The one to come, while it is being cleared, and how much of its lane is. */
  #clearing: Minute | undefined
  #laneCleared = 0

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

  /** False: no minute that is here, past or to come, has the packet's hint. */
  mayHave(datagram: Uint8Array): boolean {
    return this.#presence.lanesOf(readU32(datagram, 0)) !== 0
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
   * room for them for no longer than that takes; says whether there is more to do. Nearest minutes
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
        if (left === count) this.#makeRoom(wanted, count * WORDS_PER_HINT)
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
    for (const [when, { room }] of this.#minutes) {
      if (when >= epoch - this.#reach && when <= epoch + this.#reach + 1) continue
      this.#minutes.delete(when)
      this.#room = room
    }
    this.#searched = searched.flatMap(minute => this.#minutes.get(minute) ?? [])
    this.#lanes = this.#searched.reduce((lanes, { lane }) => lanes | lane, 0)
  }

  /** Clears as many words; when all are, the minute is there to be filled. */
  #makeRoom(epoch: number, words: number): void {
    const minute = this.#clearing?.epoch === epoch ? this.#clearing : this.#begin(epoch)
    const left = words - minute.clear(words)
    this.#laneCleared += this.#presence.clear(minute.lane, this.#laneCleared, left)
    if (!minute.isClear || this.#laneCleared < this.#presence.words) return
    this.#minutes.set(epoch, minute)
    this.#clearing = undefined
  }

  #begin(epoch: number): Minute {
    // One that was begun before the clock stepped leaves its own.
    const room = this.#clearing?.room ?? this.#room
    if (!this.#clearing) this.#room = undefined
    this.#clearing = new Minute(epoch, this.#presence.laneOf(epoch), this.#devices, room)
    this.#laneCleared = 0
    return this.#clearing
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

/** Owner, the hint's two halves, and nothing, so that a slot never lies across two lines of a cache. */
const SLOT_WORDS = 4
const OWNER = 0
const HIGH = 1
const LOW = 2
/** Owners are device + 1. */
const EMPTY = 0
const REMOVED = -1

/**
 * One minute's hints: open addressing over one typed array, less than half full, so that whatever is
 * looked up costs one look into memory as a rule.
 */
class Minute {
  readonly epoch: number
  readonly lane: number
  /** Devices below this number are in. */
  filled = 0
  #entries = 0
  #slots: Int32Array
  #mask: number
  /** Words that are; no hint is taken in before all of them are. */
  #cleared: number

  /** The room of a minute that is over is used again where it fits. */
  constructor(epoch: number, lane: number, devices: number, room?: Int32Array) {
    this.epoch = epoch
    this.lane = lane
    let slots = SLOTS_MIN
    while (slots < devices * 2) slots *= 2
    this.#mask = slots - 1
    const words = slots * SLOT_WORDS
    const fits = room?.length === words
    this.#slots = fits ? room : new Int32Array(words)
    this.#cleared = fits ? 0 : words
  }

  get isClear(): boolean {
    return this.#cleared === this.#slots.length
  }

  /** Clears at most so many words; how many it were. */
  clear(most: number): number {
    const from = this.#cleared
    this.#cleared = Math.min(from + most, this.#slots.length)
    this.#slots.fill(0, from, this.#cleared)
    return this.#cleared - from
  }

  get room(): Int32Array {
    return this.#slots
  }

  find(high: number, low: number, after: number): number {
    const slots = this.#slots
    let slot = (after < 0 ? low : after + 1) & this.#mask
    for (;;) {
      const at = slot * SLOT_WORDS
      const owner = slots[at + OWNER]!
      if (owner === EMPTY) return NOWHERE
      if (slots[at + HIGH] === (high | 0) && slots[at + LOW] === (low | 0) && owner > 0) return slot
      slot = (slot + 1) & this.#mask
    }
  }

  deviceAt(slot: number): number {
    return this.#ownerAt(slot) - 1
  }

  insert(high: number, low: number, device: number): void {
    if (2 * (this.#entries + 1) > this.#mask + 1) this.#grow()
    let slot = low & this.#mask
    while (this.#ownerAt(slot) !== EMPTY) slot = (slot + 1) & this.#mask
    const at = slot * SLOT_WORDS
    this.#slots[at + OWNER] = device + 1
    this.#slots[at + HIGH] = high
    this.#slots[at + LOW] = low
    this.#entries++
  }

  forget(low: number, device: number): void {
    let slot = low & this.#mask
    while (this.#ownerAt(slot) !== EMPTY && this.#ownerAt(slot) !== device + 1) {
      slot = (slot + 1) & this.#mask
    }
    if (this.#ownerAt(slot) !== EMPTY) this.#slots[slot * SLOT_WORDS + OWNER] = REMOVED
  }

  eachHigh(use: (high: number) => void): void {
    for (let at = 0; at < this.#slots.length; at += SLOT_WORDS) {
      if (this.#slots[at + OWNER]! > 0) use(this.#slots[at + HIGH]!)
    }
  }

  #ownerAt(slot: number): number {
    return this.#slots[slot * SLOT_WORDS + OWNER]!
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Int32Array(old.length * 2)
    this.#mask = 2 * this.#mask + 1
    this.#entries = 0
    for (let at = 0; at < old.length; at += SLOT_WORDS) {
      if (old[at + OWNER]! > 0) this.insert(old[at + HIGH]!, old[at + LOW]!, old[at + OWNER]! - 1)
    }
  }
}
