import fc from 'fast-check'
import {
  ADDRESS_BYTES,
  type Address,
  DETAIL_MAX,
  FACTOR_KINDS,
  FACTOR_MAX,
  type Knock,
  type Network,
  REASONS,
  type Reply,
  readAddress,
  SERVICES_MAX,
  STATUSES,
  VERBS,
} from '../../shared/src/index.ts'

export const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

const hexOf = (bytes: number) => bytesOf(bytes).map(value => Buffer.from(value).toString('hex'))

export const time = fc.oneof(
  fc.maxSafeNat(),
  fc.integer({ min: 1_700_000_000_000, max: 2_000_000_000_000 }),
)
const u32 = fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 32 - 1 }))

const characters = (min: number, max: number) =>
  fc.integer({ min, max }).map(code => String.fromCharCode(code))
export const printable = (maxLength: number) =>
  fc.string({ unit: characters(0x20, 0x7e), maxLength })

export const name = fc.string({
  unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-'),
  minLength: 1,
  maxLength: 32,
})

const mapped = bytesOf(4).map(tail => Uint8Array.of(...new Array(10).fill(0), 255, 255, ...tail))
/** Many zeros, as real addresses have, so that `::` stands everywhere it can. */
const sparse = fc
  .array(fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.nat({ max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  .map(groups => Uint8Array.from(groups.flatMap(group => [group >> 8, group & 0xff])))

/** The 16 bytes of an address of either family. */
export const rawAddress = fc.oneof(mapped, sparse, bytesOf(ADDRESS_BYTES))
export const address: fc.Arbitrary<Address> = rawAddress.map(raw => readAddress(raw, 0))
export const ipv4 = mapped.map(raw => readAddress(raw, 0))
export const ipv6 = fc
  .oneof(sparse, bytesOf(ADDRESS_BYTES))
  .map(raw => readAddress(raw, 0))
  .filter(text => text.includes(':'))

/** An address with a prefix length that it may have. */
export const network: fc.Arbitrary<Network> = address.chain(one =>
  fc
    .integer({ min: one.includes(':') ? 0 : 96, max: 128 })
    .map(prefix => ({ address: one, prefix })),
)

const factor = fc
  .constantFrom(...FACTOR_KINDS)
  .chain(kind => printable(kind === 'none' ? 0 : FACTOR_MAX).map(code => ({ kind, code })))

const services = fc
  .array(name, { maxLength: 8 })
  .filter(names => names.join(' ').length <= SERVICES_MAX)

export const knock: fc.Arbitrary<Knock> = fc
  .record({
    verb: fc.constantFrom(...VERBS),
    factor,
    lifetime: u32,
    sentAt: time,
    knockId: hexOf(8),
    network,
    services,
  })
  .map(({ network, ...rest }) => ({ ...rest, ...network }))

export const reply: fc.Arbitrary<Reply> = fc
  .record({
    status: fc.constantFrom(...STATUSES),
    reason: fc.constantFrom(...REASONS),
    network,
    lifetime: u32,
    serverMs: time,
    grant: hexOf(8),
    detail: printable(DETAIL_MAX),
  })
  .map(({ network, ...rest }) => ({ ...rest, ...network }))

/** Few enough changes that some bodies stay well formed, enough that every check is met. */
export const changed = (whole: fc.Arbitrary<Uint8Array>) =>
  fc
    .tuple(whole, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 }))
    .map(([bytes, changes]) => {
      const copy = bytes.slice()
      for (const [at, value] of changes) copy[at % copy.length] = value
      return copy
    })
