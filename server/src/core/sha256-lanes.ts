import { SHA256 } from '@oneknock/shared'

/** Messages that are hashed at once: the 32-bit words of a 128-bit register. */
export const LANES = 4
const WORD_BYTES = 4 * LANES
/** Words of a block of SHA-256, each once for every lane. */
export const BLOCK_WORDS = 16
const PAGE_BYTES = 65_536

/** SHA-256's compression (FIPS 180-4 section 6.2.2) of as many blocks as there are lanes. */
export interface Sha256Lanes {
  /** What it works on: each word of a state or block has its lanes side by side. */
  readonly memory: Int32Array
  /** Places are counted in words of all lanes; the result may stand where the state or block did. */
  compress(state: number, block: number, result: number): void
}

/**
 * By the processor's vector instructions, in a quarter to a fifth of the time: where they are to be had,
 * and were seen to compute what the library does. A wrong hint would be a device shut out.
 */
export function sha256Lanes(): Sha256Lanes {
  const vectors = vectorLanes()
  return vectors && agree(vectors, plainLanes()) ? vectors : plainLanes()
}

/** Whether both compress one block alike, each lane with bits of its own. */
export function agree(one: Sha256Lanes, other: Sha256Lanes): boolean {
  const words = (SHA256.words + BLOCK_WORDS) * LANES
  const [found, expected] = [one, other].map(({ memory, compress }) => {
    // Of each number the fraction's first 32 bits: all that matters is that no two are alike.
    for (let i = 0; i < words; i++) memory[i] = 2 ** 32 * ((i + 1) * GOLDEN_RATIO)
    compress(0, SHA256.words, 0)
    const result = memory.slice(0, SHA256.words * LANES)
    memory.fill(0, 0, words)
    return result
  }) as [Int32Array, Int32Array]
  return found.every((word, i) => word === expected[i])
}

const GOLDEN_RATIO = 1.618033988749895

/** One lane after the other. */
export function plainLanes(): Sha256Lanes {
  const memory = new Int32Array(PAGE_BYTES / 4)
  const view = new DataView(new ArrayBuffer(4 * BLOCK_WORDS))
  const words = new Int32Array(SHA256.words)
  return {
    memory,
    compress(state, block, result) {
      for (let lane = 0; lane < LANES; lane++) {
        for (let i = 0; i < BLOCK_WORDS; i++) {
          view.setInt32(4 * i, memory[(block + i) * LANES + lane]!)
        }
        for (let i = 0; i < words.length; i++) words[i] = memory[(state + i) * LANES + lane]!
        SHA256.load(words, 0)
        SHA256.compress(view, 0)
        SHA256.store(words, 0)
        for (let i = 0; i < words.length; i++) memory[(result + i) * LANES + lane] = words[i]!
      }
    },
  }
}

/** As much of it as is used here; the libraries of types have it only among those of a browser. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

let compiled: object | undefined

/** `undefined` where Node was told to compile nothing, or the processor has no such instructions. */
export function vectorLanes(): Sha256Lanes | undefined {
  try {
    compiled ??= new WebAssembly.Module(moduleBytes())
    const { exports } = new WebAssembly.Instance(compiled)
    const { memory, compress } = exports as {
      readonly memory: { readonly buffer: ArrayBuffer }
      readonly compress: (state: number, block: number, result: number) => void
    }
    return {
      memory: new Int32Array(memory.buffer),
      compress: (state, block, result) =>
        compress(state * WORD_BYTES, block * WORD_BYTES, result * WORD_BYTES),
    }
  } catch {
    return undefined
  }
}

/** Instructions and what else a module consists of, nested as they were put together. */
type Code = readonly (number | Code)[]

/** As numbered by the WebAssembly specification 2.0, chapter 5. */
const SECTION = { type: 1, function: 3, memory: 5, export: 7, code: 10 } as const
const TYPE = { i32: 0x7f, v128: 0x7b, function: 0x60 } as const
const HEADER = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
const END = 0x0b
const VECTOR = 0xfd
const LOAD = 0
const STORE = 11
const SPLAT = 17
const OR = 80
const XOR = 81
const SELECT = 82
const SHIFT_LEFT = 171
const SHIFT_RIGHT = 173
const ADD = 174
/** The exponent of a vector's alignment. */
const ALIGNMENT = 4

const [STATE, BLOCK, RESULT] = [0, 1, 2] as const
/** Locals come behind the parameters: the block's words, which the schedule replaces one by one … */
const schedule = (round: number): number => RESULT + 1 + (round % BLOCK_WORDS)
/** … the state, and one for a sum. */
const FIRST_OF_STATE = RESULT + 1 + BLOCK_WORDS
const SUM = FIRST_OF_STATE + SHA256.words
const LOCALS = SUM - RESULT

// biome-ignore format: as FIPS 180-4 section 4.2.2 prints them
const K = [
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]

function moduleBytes(): Uint8Array {
  const body = [1, leb(LOCALS), TYPE.v128, compression(), END]
  return Uint8Array.from(
    flat([
      HEADER,
      section(SECTION.type, [[TYPE.function, 3, TYPE.i32, TYPE.i32, TYPE.i32, 0]]),
      section(SECTION.function, [[0]]),
      section(SECTION.memory, [[0, 1]]),
      section(SECTION.export, [
        [named('memory'), 2, 0],
        [named('compress'), 0, 0],
      ]),
      section(SECTION.code, [sized(body)]),
    ]),
  )
}

/** Every round written out, and no word ever moved: their names go round instead. */
function compression(): Code {
  const state = Array.from({ length: SHA256.words }, (_, i) => FIRST_OF_STATE + i)
  const words = Array.from({ length: BLOCK_WORDS }, (_, i) => i)
  return [
    words.map(i => set(schedule(i), load(BLOCK, i))),
    state.map((local, i) => set(local, load(STATE, i))),
    K.map((constant, i) => [
      i < BLOCK_WORDS ? [] : extend(i),
      round(constant, schedule(i), name => state[(name - i + K.length) % SHA256.words]!),
    ]),
    state.map((local, i) => store(i, add(get(local), load(STATE, i)))),
  ]
}

/** Step 1: the next word of the message schedule, in the place of the oldest. */
function extend(at: number): Code {
  const before = (words: number) => get(schedule(at - words))
  const [w2, w15] = [before(2), before(15)] as const
  const s0 = xor(rotate(w15, 7), rotate(w15, 18), shift(SHIFT_RIGHT, w15, 3))
  const s1 = xor(rotate(w2, 17), rotate(w2, 19), shift(SHIFT_RIGHT, w2, 10))
  return set(schedule(at), add(before(16), before(7), s0, s1))
}

/** Step 3; `of` tells where the word that FIPS calls a (0) to h (7) is. */
function round(constant: number, scheduled: number, of: (name: number) => number): Code {
  const word = (name: number) => get(of(name))
  const [a, b, c, d] = [word(0), word(1), word(2), word(3)] as const
  const [e, f, g, h] = [word(4), word(5), word(6), word(7)] as const
  const s1 = xor(rotate(e, 6), rotate(e, 11), rotate(e, 25))
  const s0 = xor(rotate(a, 2), rotate(a, 13), rotate(a, 22))
  // Where a and b differ, c is with the majority.
  const majority = select(c, b, xor(a, b))
  return [
    set(SUM, add(h, get(scheduled), splat(constant), s1, select(f, g, e))),
    set(of(3), add(d, get(SUM))),
    set(of(7), add(get(SUM), s0, majority)),
  ]
}

const get = (local: number): Code => [0x20, leb(local)]
const set = (local: number, value: Code): Code => [value, 0x21, leb(local)]
const number = (value: number): Code => [0x41, signedLeb(value)]
const vector = (instruction: number): Code => [VECTOR, leb(instruction)]
const splat = (value: number): Code => [number(value | 0), vector(SPLAT)]
const place = (at: number): Code => [ALIGNMENT, leb(at * WORD_BYTES)]
const load = (from: number, at: number): Code => [get(from), vector(LOAD), place(at)]
const store = (at: number, value: Code): Code => [get(RESULT), value, vector(STORE), place(at)]
const each = (instruction: number, [first, ...rest]: readonly Code[]): Code => [
  first!,
  rest.map(value => [value, vector(instruction)]),
]
const add = (...values: readonly Code[]): Code => each(ADD, values)
const xor = (...values: readonly Code[]): Code => each(XOR, values)
/** The first's bits where the mask has ones, else the second's. */
const select = (first: Code, second: Code, mask: Code): Code => [
  first,
  second,
  mask,
  vector(SELECT),
]
const shift = (way: number, value: Code, bits: number): Code => [value, number(bits), vector(way)]
const rotate = (value: Code, bits: number): Code =>
  each(OR, [shift(SHIFT_RIGHT, value, bits), shift(SHIFT_LEFT, value, 32 - bits)])

const section = (id: number, entries: readonly Code[]): Code => [
  id,
  sized([leb(entries.length), entries]),
]
const named = (name: string): Code => sized([...name].map(char => char.charCodeAt(0)))

function sized(content: Code): Code {
  const bytes = flat(content)
  return [leb(bytes.length), bytes]
}

function flat(code: Code, into: number[] = []): readonly number[] {
  for (const part of code) {
    if (typeof part === 'number') into.push(part)
    else flat(part, into)
  }
  return into
}

/** LEB128, as numbers in a module are written. */
const leb = (value: number): Code =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, leb(value >>> 7)]

const signedLeb = (value: number): Code =>
  value >= -0x40 && value < 0x40 ? [value & 0x7f] : [(value & 0x7f) | 0x80, signedLeb(value >> 7)]
