/** Of junk, about one packet in twelve finds both slots taken by chance, and is then looked up in vain. */
const SLOTS_PER_HINT = 16
/** A hint's second slot is among the first one's neighbours: what a cache has of one it has of both. */
const NEIGHBOURS = 16
const SLOTS_MIN = 256
const BYTE_LANES = 8

/**
 * Which tables may hold a hint, and which cannot: one look that settles most of what strangers send,
 * where each table would take its own. A lane is one table's bit in every slot.
 */
export class Presence {
  readonly lanes: number
  /** Hints in each lane up to which it is as sparse as it should be. */
  readonly capacity: number
  readonly #slots: Uint8Array | Uint32Array
  /** The same, to clear a lane several slots at a time. */
  readonly #words: Uint32Array
  readonly #mask: number

  constructor(lanes: number, capacity: number) {
    let slots = SLOTS_MIN
    while (slots < capacity * SLOTS_PER_HINT) slots *= 2
    this.lanes = lanes
    this.capacity = capacity
    this.#slots = lanes > BYTE_LANES ? new Uint32Array(slots) : new Uint8Array(slots)
    this.#words = new Uint32Array(this.#slots.buffer)
    this.#mask = slots - 1
  }

  /** The lane of a minute; as many minutes in a row as there are lanes have one each. */
  laneOf(epoch: number): number {
    return 1 << (epoch % this.lanes)
  }

  add(high: number, lane: number): void {
    const slot = high & this.#mask
    const second = neighbourOf(slot, high)
    this.#slots[slot] = this.#slots[slot]! | lane
    this.#slots[second] = this.#slots[second]! | lane
  }

  /** All lanes in which a hint that begins so may be. */
  lanesOf(high: number): number {
    const slot = high & this.#mask
    return this.#slots[slot]! & this.#slots[neighbourOf(slot, high)]!
  }

  get words(): number {
    return this.#words.length
  }

  /** Clears a lane in at most so many words, from that one on; how many it were. */
  clear(lane: number, from: number, most: number): number {
    const kept = ~(this.lanes > BYTE_LANES ? lane : lane * 0x01010101)
    const words = this.#words
    const until = Math.min(from + most, words.length)
    for (let i = from; i < until; i++) words[i] = words[i]! & kept
    return Math.max(0, until - from)
  }
}

/** By bits of the hint that no table is large enough to use for the first. */
const neighbourOf = (slot: number, high: number): number =>
  slot ^ ((high >>> 28) & (NEIGHBOURS - 1))
