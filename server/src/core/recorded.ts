import type { SteadyMap } from './steady.ts'

/*
 * The large parts of a checkpoint. Taking one must not hold the loop: its parts are put in words one by
 * one when it is written, while packets are judged in between. What they are made of is held as it is
 * until then, and let go of behind that.
 */

/** In JSON an object with these members. */
export class Members<V> {
  readonly each: Iterable<readonly [string, V]>
  readonly letGo: () => void

  constructor(each: Iterable<readonly [string, V]>, letGo: () => void) {
    this.each = each
    this.letGo = letGo
  }

  toJSON(): Record<string, V> {
    return Object.fromEntries(this.each)
  }
}

/** In JSON a list of these elements. */
export class Elements<T> {
  readonly each: Iterable<T>
  readonly letGo: () => void

  constructor(each: Iterable<T>, letGo = () => {}) {
    this.each = each
    this.letGo = letGo
  }

  toJSON(): T[] {
    return [...this.each]
  }
}

/** In JSON a string of these parts. */
export class Text {
  readonly each: Iterable<string>

  constructor(each: Iterable<string>) {
    this.each = each
  }

  toJSON(): string {
    return [...this.each].join('')
  }
}

/** What is in the map now, by its keys. */
export function membersOf<V>(map: SteadyMap<V>): Members<V>
export function membersOf<V, R>(map: SteadyMap<V>, record: (value: V) => R): Members<R>
export function membersOf<V>(map: SteadyMap<V>, record?: (value: V) => unknown): Members<unknown> {
  const held = map.hold()
  const each = record ? later(held, ([key, value]) => [[key, record(value)] as const]) : held
  return new Members(each, held.letGo)
}

/** What is in the map now, as a list: of each entry so many elements. */
export function elementsOf<V, T>(
  map: SteadyMap<V>,
  record: (entry: readonly [key: string, value: V]) => readonly T[],
): Elements<T> {
  const held = map.hold()
  return new Elements(later(held, record), held.letGo)
}

/** What becomes of these, each when it is asked for. */
const later = <A, B>(each: Iterable<A>, become: (one: A) => Iterable<B>): Iterable<B> => ({
  *[Symbol.iterator]() {
    for (const one of each) yield* become(one)
  },
})

/** Lets go of all that a checkpoint, or a part of one, is made of. */
export function letGo(recorded: unknown): void {
  if (recorded instanceof Members || recorded instanceof Elements) recorded.letGo()
  else if (typeof recorded === 'object' && recorded !== null) {
    for (const part of Object.values(recorded)) letGo(part)
  }
}

/** What is read back as a T once it has been written as JSON. */
export type Recorded<T> =
  | T
  | { toJSON(): T }
  | (T extends object ? { readonly [K in keyof T]: Recorded<T[K]> } : never)
