import type { Address, Network } from '@oneknock/shared'
import type { Port, Protocol } from '../../core/directory.ts'

/** Who talks to a guarded port: one connection, or what UDP has in its place. */
export interface Flow {
  readonly address: Address
  readonly peerPort: number
  readonly protocol: Protocol
  readonly port: number
}

/** `remaining` is in milliseconds, as everywhere here. */
export interface OpenElement {
  readonly zone: string
  readonly network: Network
  readonly port: Port
  readonly remaining: number
}

export interface FlowElement {
  readonly zone: string
  readonly flow: Flow
  readonly remaining: number
}

/** What is known of flows. */
export interface Flows {
  /** These go on, whatever becomes of the grant that they came by. */
  readonly live: readonly FlowElement[]
  /** These must not, whoever speaks first; under the names by which the table knows them. */
  readonly cut: readonly FlowElement[]
}

/** How long a flow is remembered from its last packet. A silent TCP session may last a day. */
export const TCP_FLOW_MS = 24 * 60 * 60_000
/** Longer than a keepalive of any usual UDP protocol, and than a TCP handshake's retransmissions. */
export const UDP_FLOW_MS = 3 * 60_000
/** How long a server that keeps sending to a flow that was cut cannot be taken for speaking first. */
export const CUT_MS = 60 * 60_000

/**
 * Some kernels round a timeout below one jiffy (10 ms at 100 Hz) down to none, and none means for
 * ever: what is shorter than this has ended.
 */
const SHORTEST_MS = 10

export const hasEnded = (remaining: number): boolean => !(remaining >= SHORTEST_MS)

export const flowKey = ({ address, protocol, peerPort, port }: Flow): string =>
  `${address} . ${protocol} . ${peerPort} . ${port}`
