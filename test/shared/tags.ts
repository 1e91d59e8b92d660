import { createHmac } from 'node:crypto'
import { AT } from '../../shared/src/index.ts'

/* Tags of packets by OpenSSL, which nothing of the protocol's own code makes. */

export const tagUnder = (key: Uint8Array, datagram: Uint8Array): Buffer =>
  createHmac('sha256', key).update(datagram.subarray(0, AT.tag)).digest()

/** Whether the packet ends with the tag that this key gives it. */
export const bearsTag = (key: Uint8Array, datagram: Uint8Array): boolean =>
  tagUnder(key, datagram).equals(datagram.subarray(AT.tag))
