import { isZero } from './bytes.ts'
import { ADDRESS_BYTES } from './constants.ts'

/**
 * An IP address in its one canonical text: dotted for IPv4 (on the wire IPv4-mapped, RFC 4291
 * section 2.5.5.2), RFC 5952 for IPv6. Since it is canonical, two are the same if the strings are.
 */
export type Address = string & { readonly __address: unique symbol }

/** Addresses that share their first bits. `prefix` counts on the 16-byte form: an IPv4 /24 is 120. */
export interface Network {
  readonly address: Address
  readonly prefix: number
}

export type Family = 4 | 6

/** `::`, on the wire: "whatever address this datagram comes from". */
export const ANY = '::' as Address
/** `::ffff:0.0.0.0`, on the wire: the datagram's source, which must be IPv4. */
export const ANY_IPV4 = '0.0.0.0' as Address

/** What the mapped form's first 96 bits are. */
const MAPPED_PREFIX = 96
const SINGLE = 128

export const familyOf = (address: Address): Family => (address.includes(':') ? 6 : 4)

/** How long a prefix of this address may be written in its own family: 32 or 128. */
const offsetOf = (address: Address): number => (familyOf(address) === 4 ? MAPPED_PREFIX : 0)

/** Any usual text of an address; zones (`fe80::1%eth0`) and brackets are not part of one. */
export function parseAddress(text: string): Address | undefined {
  const bytes = text.includes(':') ? parseIPv6(text) : parseIPv4(text)
  return bytes && readAddress(bytes, 0)
}

/**
 * `10.0.0.0/8`, `2001:db8::/32`, or one address. Host bits are masked. The length counts in the
 * family that the text is written in: `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
 */
export function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (!address) return undefined
  if (slash < 0) return { address, prefix: SINGLE }
  const digits = text.slice(slash + 1)
  if (!/^(0|[1-9]\d{0,2})$/.test(digits)) return undefined
  const prefix = wirePrefix(text.includes(':') ? 6 : 4, Number(digits))
  return isPrefix(prefix, familyOf(address) === 4) ? maskNetwork(address, prefix) : undefined
}

/** The network's address and length in its own family: `203.0.113.0/24`; one address stays bare. */
export function formatNetwork({ address, prefix }: Network): string {
  return prefix === SINGLE ? address : `${address}/${prefix - offsetOf(address)}`
}

/** The prefix length as people of that family write it: 0–32 or 0–128. */
export const familyPrefix = ({ address, prefix }: Network): number => prefix - offsetOf(address)

/** The 16-byte prefix length for one written in the family's own terms. */
export const wirePrefix = (family: Family, prefix: number): number =>
  family === 4 ? prefix + MAPPED_PREFIX : prefix

/** Below 96 an IPv4-mapped address would lose the bits that make it IPv4. */
export const isPrefix = (prefix: number, mapped: boolean): boolean =>
  Number.isInteger(prefix) && prefix >= (mapped ? MAPPED_PREFIX : 0) && prefix <= SINGLE

/** Expects a prefix that `isPrefix` accepts for the address. */
export function maskNetwork(address: Address, prefix: number): Network {
  if (prefix >= SINGLE) return { address, prefix: SINGLE }
  const bytes = addressBytes(address)
  for (let i = 0; i < ADDRESS_BYTES; i++) {
    const keep = Math.min(8, Math.max(0, prefix - 8 * i))
    bytes[i] = bytes[i]! & (0xff00 >> keep)
  }
  return { address: readAddress(bytes, 0), prefix }
}

export function contains(network: Network, address: Address): boolean {
  if (network.prefix === SINGLE) return network.address === address
  if (familyOf(network.address) !== familyOf(address)) return false
  return sharePrefix(addressBytes(network.address), addressBytes(address), network.prefix)
}

function sharePrefix(a: Uint8Array, b: Uint8Array, prefix: number): boolean {
  const whole = prefix >> 3
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false
  const rest = prefix & 7
  return rest === 0 || (a[whole]! ^ b[whole]!) >> (8 - rest) === 0
}

/** Whether every address of `inner` is one of `outer`. */
export const containsNetwork = (outer: Network, inner: Network): boolean =>
  inner.prefix >= outer.prefix && contains(outer, inner.address)

export const sameNetwork = (a: Network, b: Network): boolean =>
  a.prefix === b.prefix && a.address === b.address

/** Characters of a dotted address. */
const ZERO = 0x30
const DOT = 0x2e

export type AddressScope =
  | 'unspecified'
  | 'loopback'
  | 'link-local'
  | 'multicast'
  | 'private'
  | 'global'

/** What kind of address it is (RFC 6890). `private` includes carriers' shared space (RFC 6598). */
export function scopeOf(address: Address): AddressScope {
  const bytes = addressBytes(address)
  return familyOf(address) === 4 ? scopeOfIPv4(bytes[12]!, bytes[13]!) : scopeOfIPv6(bytes)
}

function scopeOfIPv4(first: number, second: number): AddressScope {
  if (first === 0) return 'unspecified' // 0.0.0.0/8
  if (first === 127) return 'loopback'
  if (first === 169 && second === 254) return 'link-local'
  // 240.0.0.0/4 as well: it holds the limited broadcast address, nobody's own, so never one to admit.
  if (first >= 224) return 'multicast'
  const isPrivate =
    first === 10 ||
    (first === 172 && (second & 0xf0) === 16) || // 172.16.0.0/12
    (first === 192 && second === 168) ||
    (first === 100 && (second & 0xc0) === 64) // 100.64.0.0/10
  return isPrivate ? 'private' : 'global'
}

function scopeOfIPv6(bytes: Uint8Array): AddressScope {
  const [first, second] = [bytes[0]!, bytes[1]!]
  if (first === 0xff) return 'multicast' // ff00::/8
  if (first === 0xfe && (second & 0xc0) === 0x80) return 'link-local' // fe80::/10
  if ((first & 0xfe) === 0xfc) return 'private' // fc00::/7
  const [last] = bytes.subarray(ADDRESS_BYTES - 1)
  if (last! > 1 || !isZero(bytes, 0, ADDRESS_BYTES - 1)) return 'global'
  return last === 1 ? 'loopback' : 'unspecified'
}

/** The 16 bytes of the wire. */
export function addressBytes(address: Address): Uint8Array {
  return (familyOf(address) === 4 ? parseIPv4(address) : parseIPv6(address))!
}

/** The address that 16 bytes hold. Every 16 bytes are one, and `addressBytes` gives them back. */
export function readAddress(bytes: Uint8Array, offset: number): Address {
  return (
    isMapped(bytes, offset) ? formatIPv4(bytes, offset + 12) : formatIPv6(bytes, offset)
  ) as Address
}

export function isMapped(bytes: Uint8Array, offset: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[offset + i] !== 0) return false
  return bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff
}

/** Character by character: it is asked for several times in every knock. */
function parseIPv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(ADDRESS_BYTES)
  bytes[10] = bytes[11] = 0xff
  let at = 12
  let value = -1
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT
    if (code === DOT) {
      if (value < 0 || at === ADDRESS_BYTES) return undefined
      bytes[at++] = value
      value = -1
      continue
    }
    const digit = code - ZERO
    // A leading zero is octal to some and decimal to others: to us it is a mistake.
    if (digit < 0 || digit > 9 || value === 0) return undefined
    value = Math.max(value, 0) * 10 + digit
    if (value > 255) return undefined
  }
  return at === ADDRESS_BYTES ? bytes : undefined
}

function parseIPv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : []
  if (!head || !tail) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  const bytes = new Uint8Array(ADDRESS_BYTES)
  for (let i = 0; i < 8; i++) {
    bytes[2 * i] = groups[i]! >> 8
    bytes[2 * i + 1] = groups[i]! & 0xff
  }
  return bytes
}

/** Groups of 16 bits; the last two may be written dotted at the end of the text. */
function parseGroups(text: string, atEnd: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    if (part.includes('.')) {
      const v4 = atEnd && i === parts.length - 1 ? parseIPv4(part) : undefined
      if (!v4) return undefined
      groups.push((v4[12]! << 8) | v4[13]!, (v4[14]! << 8) | v4[15]!)
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined
      groups.push(Number.parseInt(part, 16))
    }
  }
  return groups
}

function formatIPv4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
}

/** RFC 5952 section 4: lower case, no leading zeros, the longest run of two or more zeros as `::`. */
function formatIPv6(bytes: Uint8Array, offset: number): string {
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push((bytes[offset + i]! << 8) | bytes[offset + i + 1]!)
  let best = { start: -1, length: 1 }
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && groups[end] === 0) end++
    if (end - i > best.length) best = { start: i, length: end - i }
    if (end > i) i = end
  }
  const hex = groups.map(group => group.toString(16))
  if (best.start < 0) return hex.join(':')
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`
}
