/** Bytes in and out of text and numbers. Big-endian throughout, as on the wire. */

const HEX_DIGITS = '0123456789abcdef'
/** A digit's code, by its value. */
const HEX_CODES = Uint8Array.from(HEX_DIGITS, digit => digit.charCodeAt(0))
/** A digit's value, by its code; −1 for all other characters. */
const HEX_VALUES = new Int8Array(128).fill(-1)
for (const [value, code] of HEX_CODES.entries()) {
  HEX_VALUES[code] = HEX_VALUES[HEX_DIGITS[value]!.toUpperCase().charCodeAt(0)] = value
}

/** Four bytes are made text at once: pair by pair, most of the time would go into joining the pairs. */
export function toHex(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let text = ''
  let at = start
  for (; at + 4 <= end; at += 4) {
    const [a, b, c, d] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!]
    text += String.fromCharCode(
      HEX_CODES[a >> 4]!,
      HEX_CODES[a & 15]!,
      HEX_CODES[b >> 4]!,
      HEX_CODES[b & 15]!,
      HEX_CODES[c >> 4]!,
      HEX_CODES[c & 15]!,
      HEX_CODES[d >> 4]!,
      HEX_CODES[d & 15]!,
    )
  }
  for (; at < end; at++) text += HEX_DIGITS[bytes[at]! >> 4]! + HEX_DIGITS[bytes[at]! & 15]!
  return text
}

/** `undefined` unless the text is an even number of hexadecimal digits. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined
  const bytes = new Uint8Array(text.length / 2)
  let all = 0
  for (let i = 0; i < bytes.length; i++) {
    const high = HEX_VALUES[text.charCodeAt(2 * i)] ?? -1
    const low = HEX_VALUES[text.charCodeAt(2 * i + 1)] ?? -1
    all |= high | low
    bytes[i] = (high << 4) | low
  }
  return all < 0 ? undefined : bytes
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const DIGITS = Uint8Array.from(BASE64URL, digit => digit.charCodeAt(0))
/** What a character of it stands for, by its code; −1 for all others. */
const BASE64URL_VALUES = new Int8Array(128).fill(-1)
for (let i = 0; i < DIGITS.length; i++) BASE64URL_VALUES[DIGITS[i]!] = i
const ascii = new TextDecoder()

/**
 * RFC 4648 section 5, without padding. Not put together letter by letter: a text of millions, as a
 * busy server keeps, would be that many strings for a while.
 */
export function toBase64Url(bytes: Uint8Array): string {
  const text = new Uint8Array(Math.ceil((bytes.length * 4) / 3))
  for (let i = 0, at = 0; at < text.length; i += 3) {
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    for (let shift = 18; shift >= 0 && at < text.length; shift -= 6) {
      text[at++] = DIGITS[(group >> shift) & 63]!
    }
  }
  return ascii.decode(text)
}

/**
 * RFC 4648 section 5, without padding. `undefined` for anything but the one canonical text of some
 * bytes, so that two different texts are never the same key.
 */
export function fromBase64Url(text: string): Uint8Array | undefined {
  if (text.length % 4 === 1) return undefined
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let held = 0
  let bits = 0
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const value = BASE64URL_VALUES[text.charCodeAt(i)] ?? -1
    if (value < 0) return undefined
    held = ((held << 6) | value) & 0xffffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = (held >> bits) & 0xff
    }
  }
  return (held & ((1 << bits) - 1)) === 0 ? bytes : undefined
}

/** Writes a whole number of 0 … 2^53−1 as eight bytes. */
export function writeU64(bytes: Uint8Array, offset: number, value: number): void {
  const high = Math.floor(value / 2 ** 32)
  writeU32(bytes, offset, high)
  writeU32(bytes, offset + 4, value - high * 2 ** 32)
}

/** Not exact above 2^53−1: callers refuse such values. */
export function readU64(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset) * 2 ** 32 + readU32(bytes, offset + 4)
}

export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24
  bytes[offset + 1] = value >>> 16
  bytes[offset + 2] = value >>> 8
  bytes[offset + 3] = value
}

export function readU32(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset]! << 24) |
      (bytes[offset + 1]! << 16) |
      (bytes[offset + 2]! << 8) |
      bytes[offset + 3]!) >>>
    0
  )
}

/** Printable ASCII only; callers have checked the length. */
export function writeAscii(bytes: Uint8Array, offset: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[offset + i] = text.charCodeAt(i)
}

/** `undefined` if a byte is not printable ASCII (0x20–0x7e). */
export function readAscii(bytes: Uint8Array, offset: number, length: number): string | undefined {
  let text = ''
  for (let i = offset; i < offset + length; i++) {
    const byte = bytes[i]!
    if (byte < 0x20 || byte > 0x7e) return undefined
    text += String.fromCharCode(byte)
  }
  return text
}

export const isPrintableAscii = (text: string): boolean => /^[\x20-\x7e]*$/.test(text)

export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false
  return true
}

/**
 * Whether `length` bytes are the same, in time that does not depend on where they differ. Offsets
 * instead of slices, since the refusing path allocates nothing. Bytes beyond the end equal nothing.
 */
export const equalBytes = (
  a: Uint8Array,
  aOffset: number,
  b: Uint8Array,
  bOffset: number,
  length: number,
): boolean => equalMask(a, aOffset, b, bOffset, length) !== 0

/**
 * The same as bits: all ones, or none. For those who go on, whichever it is: a branch would take a
 * nanosecond more for one answer than for the other, and a million measurements find that.
 */
export function equalMask(
  a: Uint8Array,
  aOffset: number,
  b: Uint8Array,
  bOffset: number,
  length: number,
): number {
  if (aOffset + length > a.length || bOffset + length > b.length) return 0
  let difference = 0
  for (let i = 0; i < length; i++) difference |= a[aOffset + i]! ^ b[bOffset + i]!
  return (difference - 1) >> 31
}
