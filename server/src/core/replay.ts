import { EPOCH_MS, epochOf, fromBase64Url, readU32, toBase64Url, writeU32 } from '@oneknock/shared'
import { membersOf, type Recorded, Text } from './recorded.ts'
import { SteadyMap } from './steady.ts'

/**
 * Of the 32 bytes of a tag, 16 are kept: tags are MACs, so two that share these are as likely as a
 * guessed key.
 */
const KEPT_WORDS = 4
const KEPT_BYTES = 4 * KEPT_WORDS
/** Small tables that double one by one: none ever takes long enough to be noticed. */
const SHARDS = 64
const SLOTS_MIN = 8
/** So much of a record is put in words at a time: three tags are whole digits of base64. */
const PART_BYTES = 3 * KEPT_BYTES * 64

/** What a checkpoint holds of it. */
export interface ReplayRecord {
  readonly floors: Readonly<Record<string, number>>
  readonly minutes: readonly {
    readonly epoch: number
    readonly tags: string
    readonly newest: Readonly<Record<string, number>>
  }[]
}

/**
 * Every packet that was let in, until it is too old to be let in again; and for each device the
 * greatest sent_at that is no longer remembered one by one, below which nothing passes any more,
 * wherever the clock steps.
 */
export class ReplayMemory {
  readonly #windowMs: number
  readonly #floors = new SteadyMap<number>()
  /** By the minute of sent_at, so that a whole minute is forgotten at once. */
  readonly #minutes = new Map<number, Minute>()

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  get size(): number {
    let size = 0
    for (const { tags } of this.#minutes.values()) size += tags.size
    return size
  }

  floor(device: string): number {
    return this.#floors.get(device) ?? 0
  }

  has(tag: Uint8Array, sentAt: number): boolean {
    return this.#minutes.get(epochOf(sentAt))?.tags.has(tag) ?? false
  }

  add(tag: Uint8Array, device: string, sentAt: number): void {
    const epoch = epochOf(sentAt)
    let minute = this.#minutes.get(epoch)
    if (!minute) {
      minute = { tags: new TagSet(), newest: new SteadyMap() }
      this.#minutes.set(epoch, minute)
    }
    minute.tags.add(tag)
    if (sentAt > (minute.newest.get(device) ?? 0)) minute.newest.set(device, sentAt)
  }

  /**
   * Forgets the minutes whose last packet would be too old now, and raises the floors to what is
   * forgotten. A clock that steps back forgets nothing.
   */
  forget(nowMs: number): void {
    for (const [epoch, { newest }] of this.#minutes) {
      if ((epoch + 1) * EPOCH_MS + this.#windowMs > nowMs) continue
      this.#minutes.delete(epoch)
      for (const [device, sentAt] of newest) {
        if (sentAt > this.floor(device)) this.#floors.set(device, sentAt)
      }
    }
  }

  record(): Recorded<ReplayRecord> {
    return {
      floors: membersOf(this.#floors),
      minutes: [...this.#minutes].map(([epoch, { tags, newest }]) => ({
        epoch,
        tags: tags.record(),
        newest: membersOf(newest),
      })),
    }
  }

  restore(record: ReplayRecord): void {
    for (const [device, sentAt] of Object.entries(record.floors)) this.#floors.set(device, sentAt)
    for (const { epoch, tags, newest } of record.minutes) {
      const set = new TagSet()
      const bytes = fromBase64Url(tags) ?? new Uint8Array()
      for (let at = 0; at < bytes.length; at += KEPT_BYTES) set.add(bytes.subarray(at))
      const latest = new SteadyMap<number>()
      for (const [device, sentAt] of Object.entries(newest)) latest.set(device, sentAt)
      this.#minutes.set(epoch, { tags: set, newest: latest })
    }
  }
}

interface Minute {
  readonly tags: TagSet
  /** The greatest sent_at of each device in this minute. */
  readonly newest: SteadyMap<number>
}

/** A set of tags: open addressing over typed arrays, at most half full, 64 bytes a tag or less. */
export class TagSet {
  readonly #shards: Uint32Array[] = Array.from(
    { length: SHARDS },
    () => new Uint32Array(SLOTS_MIN * KEPT_WORDS),
  )
  readonly #sizes = new Uint32Array(SHARDS)
  /** 1 where a shard has been recorded and must stay as it is: what is added goes into a copy of it. */
  readonly #recorded = new Uint8Array(SHARDS)

  get size(): number {
    return this.#sizes.reduce((sum, size) => sum + size, 0)
  }

  has(tag: Uint8Array): boolean {
    const shard = this.#shards[tag[0]! % SHARDS]!
    return !isEmpty(shard, slotOf(shard, tag))
  }

  add(tag: Uint8Array): void {
    const number = tag[0]! % SHARDS
    let shard = this.#shards[number]!
    const slot = slotOf(shard, tag)
    if (!isEmpty(shard, slot)) return
    if (this.#recorded[number]) {
      shard = shard.slice()
      this.#shards[number] = shard
      this.#recorded[number] = 0
    }
    for (let i = 0; i < KEPT_WORDS; i++) shard[slot + i] = readU32(tag, 4 * i)
    this.#sizes[number]!++
    if (this.#sizes[number]! * KEPT_WORDS * 2 > shard.length) this.#shards[number] = doubled(shard)
  }

  /** What is in it now, 16 bytes each, in base64url. */
  record(): Text {
    const shards = [...this.#shards]
    this.#recorded.fill(1)
    return new Text({ [Symbol.iterator]: () => textOf(shards) })
  }
}

function* textOf(shards: readonly Uint32Array[]): Generator<string> {
  const bytes = new Uint8Array(PART_BYTES)
  let at = 0
  for (const shard of shards) {
    for (let slot = 0; slot < shard.length; slot += KEPT_WORDS) {
      if (isEmpty(shard, slot)) continue
      for (let i = 0; i < KEPT_WORDS; i++) writeU32(bytes, at + 4 * i, shard[slot + i]!)
      at += KEPT_BYTES
      if (at < PART_BYTES) continue
      yield toBase64Url(bytes)
      at = 0
    }
  }
  yield toBase64Url(bytes.subarray(0, at))
}

/** Where in the shard the tag stands, or the empty slot where it would. */
function slotOf(shard: Uint32Array, tag: Uint8Array): number {
  const w0 = readU32(tag, 0)
  const w1 = readU32(tag, 4)
  const w2 = readU32(tag, 8)
  const w3 = readU32(tag, 12)
  const slots = shard.length / KEPT_WORDS
  for (let i = w1 & (slots - 1); ; i = (i + 1) & (slots - 1)) {
    const slot = i * KEPT_WORDS
    if (isEmpty(shard, slot)) return slot
    const same =
      shard[slot] === w0 &&
      shard[slot + 1] === w1 &&
      shard[slot + 2] === w2 &&
      shard[slot + 3] === w3
    if (same) return slot
  }
}

const isEmpty = (shard: Uint32Array, slot: number): boolean =>
  shard[slot] === 0 && shard[slot + 1] === 0 && shard[slot + 2] === 0 && shard[slot + 3] === 0

function doubled(shard: Uint32Array): Uint32Array {
  const grown = new Uint32Array(shard.length * 2)
  const tag = new Uint8Array(KEPT_BYTES)
  for (let slot = 0; slot < shard.length; slot += KEPT_WORDS) {
    if (isEmpty(shard, slot)) continue
    for (let i = 0; i < KEPT_WORDS; i++) writeU32(tag, 4 * i, shard[slot + i]!)
    grown.set(shard.subarray(slot, slot + KEPT_WORDS), slotOf(grown, tag))
  }
  return grown
}
