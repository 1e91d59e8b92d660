import { type Address, addressBytes, familyOf } from '@oneknock/shared'

/** One end of a TCP connection. */
export interface TcpEnd {
  readonly address: Address
  readonly port: number
}

/** The twelve bytes that no other protocol begins with. */
const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
/** Version 2 in the high half, the command PROXY ("on behalf of someone else") in the low one. */
const VERSION_AND_COMMAND = 0x21
const TCP_OVER_IPV4 = 0x11
const TCP_OVER_IPV6 = 0x21

/**
 * Who connects, and where to, for the service behind: the binary header of HAProxy's "The PROXY
 * protocol", section 2.2. Both ends are of one family.
 */
export function proxyHeader(source: TcpEnd, destination: TcpEnd): Uint8Array {
  const ipv4 = familyOf(source.address) === 4
  const body = [
    ...familyBytes(source.address),
    ...familyBytes(destination.address),
    ...u16(source.port),
    ...u16(destination.port),
  ]
  return Uint8Array.from([
    ...SIGNATURE,
    VERSION_AND_COMMAND,
    ipv4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6,
    ...u16(body.length),
    ...body,
  ])
}

const familyBytes = (address: Address): Uint8Array =>
  familyOf(address) === 4 ? addressBytes(address).subarray(12) : addressBytes(address)

const u16 = (value: number): number[] => [value >> 8, value & 0xff]
