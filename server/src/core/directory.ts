import type { Network } from '@oneknock/shared'

/** Who may open what: the parsed configuration as the core sees it. Immutable; a reload makes a new one. */
export interface Directory {
  readonly services: ReadonlyMap<string, Service>
  readonly users: ReadonlyMap<string, User>
}

export interface User {
  readonly name: string
  /** The names of the services that this user may open. */
  readonly services: readonly string[]
  readonly devices: readonly Device[]
  /** Absent: this user has no authenticator, so only services without a factor open. */
  readonly totp: TotpFactor | undefined
  readonly recovery: readonly RecoveryCode[]
  /** May admit addresses that the packet does not come from. */
  readonly otherAddress: boolean
  /** By the administrator; lockouts after wrong codes are in the ledger. */
  readonly locked: boolean
}

export interface Device {
  readonly user: string
  readonly label: string
  /** `user/label`: how the ledger and the logs name it. */
  readonly id: string
  readonly key: Uint8Array
  /** Milliseconds since the Unix epoch: an invitation that nobody took up goes stale. */
  readonly enrolledAt: number
}

export interface TotpFactor {
  /** Names the secret in the ledger, without telling it: what is burnt is burnt for this. */
  readonly id: string
  readonly secret: Uint8Array
}

/** A single-use code, kept as SHA-256(salt ‖ code). */
export interface RecoveryCode {
  readonly id: string
  readonly salt: Uint8Array
  readonly hash: Uint8Array
}

export type Protocol = 'tcp' | 'udp'

export interface Port {
  readonly protocol: Protocol
  readonly port: number
}

export interface Service {
  readonly name: string
  /** What the firewall guards; empty for a service that only a gate or a command opens. */
  readonly ports: readonly Port[]
  /** Seconds that a grant lasts unless the knock asks for something else. */
  readonly lifetime: number
  /** Seconds that a knock can get at most. */
  readonly maxLifetime: number
  /** The shortest prefixes that a knock can get, on the 16-byte address. */
  readonly maxPrefix: { readonly ipv4: number; readonly ipv6: number }
  readonly factor: 'required' | 'none'
  /** Only an address that the packet names itself is admitted, never just its source. */
  readonly requireAddress: boolean
  /** The host's own and its gateways' addresses may be admitted too. */
  readonly behindProxy: boolean
  /** What becomes of connections when the time runs out. */
  readonly onExpiry: 'keep' | 'cut'
  /** Guarded although it is not this host's address: a host that this one forwards to. */
  readonly destination: readonly Network[]
  readonly gate: GateSettings | undefined
  readonly exec: ExecSettings | undefined
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface GateSettings {
  readonly listen: Endpoint
  readonly forward: Endpoint
  /** Tell the service who connects, in the PROXY protocol's version 2. */
  readonly proxyProtocol: boolean
}

export interface ExecSettings {
  readonly open: readonly string[]
  /** Empty: nothing to run when the door closes. */
  readonly close: readonly string[]
  /** Milliseconds that a command may take. */
  readonly timeLimit: number
}
