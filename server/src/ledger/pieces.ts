/** How deep a state is taken apart: down to one grant, or to all that one device left. */
const DEPTH = 2

/** The JSON of a plain value: the same text as JSON.stringify's, bit by bit. */
export function* piecesOf(value: unknown, depth = DEPTH): Generator<string> {
  if (depth === 0 || typeof value !== 'object' || value === null) yield JSON.stringify(value)
  else if (Array.isArray(value)) yield* inside('[', elements(value), ']', () => '', depth)
  else yield* inside('{', Object.entries(value), '}', key => `${JSON.stringify(key)}:`, depth)
}

const elements = (values: readonly unknown[]): [number, unknown][] =>
  values.map((value, i) => [i, value === undefined ? null : value])

function* inside<K>(
  open: string,
  entries: Iterable<[K, unknown]>,
  close: string,
  name: (key: K) => string,
  depth: number,
): Generator<string> {
  let before = open
  for (const [key, value] of entries) {
    if (value === undefined) continue
    yield before + name(key)
    yield* piecesOf(value, depth - 1)
    before = ','
  }
  yield before === open ? open + close : close
}

/** Bytes in a chunk: few enough writes for a disk, no more than the lines of a busy second. */
const CHUNK = 1024 * 1024
/** Of a UTF-16 unit, as UTF-8. */
const UNIT_BYTES = 3

/** Text that comes in pieces, as bytes in chunks. */
export class Pieces {
  readonly #chunks: Buffer[] = []
  #current = Buffer.alloc(0)
  #used = 0
  bytes = 0

  add(text: string): void {
    const most = text.length * UNIT_BYTES
    if (this.#used + most > this.#current.length) this.#begin(most)
    const written = this.#current.write(text, this.#used)
    this.#used += written
    this.bytes += written
  }

  /** All so far. */
  chunks(): Buffer[] {
    const rest = this.#current.subarray(0, this.#used)
    return rest.length > 0 ? [...this.#chunks, rest] : [...this.#chunks]
  }

  #begin(least: number): void {
    if (this.#used > 0) this.#chunks.push(this.#current.subarray(0, this.#used))
    this.#current = Buffer.allocUnsafeSlow(Math.max(CHUNK, least))
    this.#used = 0
  }
}
