import { createHash } from 'node:crypto'
import type { Family } from '@oneknock/shared'
import type { Port } from '../../core/directory.ts'

/** All that is ours, sets and chains, begins with this; nothing else is touched. */
export const PREFIX = 'ONEKNOCK'

/** Chains that the kernel's own lead to: in `mangle`, and those of the same name in `raw`. */
export const IN = PREFIX
export const OUT = `${PREFIX}-OUT`
/** In `raw`: what a knock must be. */
export const KNOCK = `${PREFIX}-KNOCK`

/** A set's name has at most 31 characters, a chain's 28, and a service's may have 32 itself. */
const TAG_LENGTH = 7

const tagOf = (zone: string): string =>
  zone === 'host' ? zone : createHash('sha256').update(zone).digest('hex').slice(0, TAG_LENGTH)

const portName = ({ protocol, port }: Port): string => `${protocol}${port}`

export const openSet = (zone: string, family: Family): string =>
  `${PREFIX}-${tagOf(zone)}-open${family}`
/** One for each port, since no type of set holds two ports of a packet. */
export const liveSet = (zone: string, family: Family, port: Port): string =>
  `${PREFIX}-${tagOf(zone)}-live${family}-${portName(port)}`
export const cutSet = (zone: string, family: Family, port: Port): string =>
  `${PREFIX}-${tagOf(zone)}-cut${family}-${portName(port)}`
export const meterSet = (family: Family): string => `${PREFIX}-meter${family}`
export const trialSet = ({ protocol }: Pick<Port, 'protocol'>): string =>
  `${PREFIX}-trial-${protocol}`
/** Filled before it takes the place of another. */
export const newSet = (family: Family): string => `${PREFIX}-new${family}`

export const zoneChain = (zone: string): string => `${PREFIX}-${tagOf(zone)}`
export const portChain = (zone: string, port: Port): string =>
  `${zoneChain(zone)}-${portName(port)}`
/** For what leaves a port. */
export const ownChain = (zone: string, port: Port): string =>
  `${zoneChain(zone)}-o-${portName(port)}`
