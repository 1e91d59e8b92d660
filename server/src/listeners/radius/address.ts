import { ADDRESS_BYTES, type Address, parseAddress, readAddress } from '@oneknock/shared'
import type { RadiusClient } from '../../core/radius.ts'
import { ATTRIBUTE, firstOf, type RadiusPacket, textOf } from './packet.ts'

/** The address that somebody comes from, or has, as the client says it. */
export function addressIn(
  packet: RadiusPacket,
  { addressFrom }: Pick<RadiusClient, 'addressFrom'>,
): Address | undefined {
  return addressFrom === 'framed-ip-address' ? framed(packet) : calling(packet)
}

/** Some write the port behind it: `192.0.2.7[4500]`, `192.0.2.7:4500`, `[2001:db8::7]:4500`. */
function calling(packet: RadiusPacket): Address | undefined {
  const text = textOf(packet, ATTRIBUTE.callingStationId) ?? ''
  const [, bracketed] = /^\[([^\]]+)\](?::\d+)?$/.exec(text) ?? []
  const bare = text.replace(/\[\d+\]$/, '').replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1')
  return parseAddress(bracketed ?? bare)
}

function framed(packet: RadiusPacket): Address | undefined {
  const ipv6 = firstOf(packet, ATTRIBUTE.framedIpv6Address)
  if (ipv6?.length === ADDRESS_BYTES) return readAddress(ipv6, 0)
  const ipv4 = firstOf(packet, ATTRIBUTE.framedIpAddress)
  return ipv4?.length === 4 ? parseAddress(ipv4.join('.')) : undefined
}
