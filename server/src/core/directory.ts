import type { Address, Network } from '@oneknock/shared'
import type { Schedule } from './schedule.ts'

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
  readonly yubikeys?: readonly YubiKey[]
  /** Public keys, each as `ssh-ed25519 AAAA…`: what may forward where a service has a permit. */
  readonly sshKeys?: readonly string[] | undefined
  /** Where messages to this user go. */
  readonly contact?: Contact | undefined
  /** May admit addresses that the packet does not come from. */
  readonly otherAddress: boolean
  /** Seconds that a grant of theirs lasts at most, whatever the service says. */
  readonly maxLifetime?: number | undefined
  /** When, and from where, they may open anything at all. */
  readonly schedule?: Schedule | undefined
  readonly networks?: readonly Network[] | undefined
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

/** A YubiKey in OTP mode. */
export type YubiKey = LocalYubiKey | OnlineYubiKey

interface Token {
  /** The owner's name for it. */
  readonly label: string
  /** Modhex, as it types it before each OTP; it names the token, in the ledger too. */
  readonly publicId: string
  /** What a touch of it opens, of all that its owner may; absent: all of it. */
  readonly services?: readonly string[]
}

/** One whose OTPs this server checks itself, by what was written into it. */
export interface LocalYubiKey extends Token {
  /** AES-128, 16 bytes. */
  readonly key: Uint8Array
  /** 6 bytes. */
  readonly privateId: Uint8Array
}

/** One whose OTPs a validation server is asked about. */
export interface OnlineYubiKey extends Token {
  readonly online: true
}

export const isOnline = (token: YubiKey): token is OnlineYubiKey => 'online' in token

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
  /** By what the lifetime is multiplied each time that a user comes again from the same address. */
  readonly grows?: number | undefined
  /** The shortest prefixes that a knock can get, on the 16-byte address. */
  readonly maxPrefix: { readonly ipv4: number; readonly ipv6: number }
  readonly factor: 'required' | 'none'
  /** Only an address that the packet names itself is admitted, never just its source. */
  readonly requireAddress: boolean
  /** The host's own and its gateways' addresses may be admitted too. */
  readonly behindProxy: boolean
  /** What becomes of connections when the time runs out. */
  readonly onExpiry: 'keep' | 'cut'
  /** When it may be opened; a grant ends with it. */
  readonly schedule?: Schedule | undefined
  /** From where it may be opened; absent = from anywhere. */
  readonly networks?: readonly Network[] | undefined
  /** Whom to ask before it opens; absent: nobody. */
  readonly approval?: ApprovalSettings | undefined
  /** Everything but the hooks: judged, recorded and answered, but nothing opens. */
  readonly testOnly?: boolean | undefined
  /** Guarded although it is not this host's address: a host that this one forwards to. */
  readonly destination: readonly Network[]
  /** Hosts behind this one that the ports lead to, for whoever is let in; absent: to this host. */
  readonly forward?: ForwardSettings | undefined
  readonly gate: GateSettings | undefined
  readonly exec: ExecSettings | undefined
  readonly permit?: PermitSettings | undefined
  readonly routeros?: RouterSettings | undefined
}

/** Whether it opens something of each user's own: ssh forwards, a router login, what their commands do. */
export const isPersonal = ({ permit, routeros, exec }: Service): boolean =>
  permit !== undefined || routeros?.opens.kind === 'login' || exec?.perUser === true

/** A yes that is waited for, on a second channel. */
export interface ApprovalSettings {
  /** The way to people, as `[delivery]` calls it. */
  readonly channel: string
  /** The user who is asked; absent: the one who knocks. */
  readonly approver?: string | undefined
  /** Milliseconds after which silence is a no. */
  readonly timeoutMs: number
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface ForwardSettings {
  /** For each family none, or one for each port, in the order of the ports (`leadsOf`). */
  readonly to: readonly { readonly address: Address; readonly port: number }[]
  /** The inner host sees this host's address, so that its answers come back this way. */
  readonly masquerade: boolean
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
  /** The account that runs it, through the helper; absent: the daemon's own. */
  readonly as?: string | undefined
  /** Of this service's commands; absent: as many as the daemon runs at all. */
  readonly atOnce?: number | undefined
  /** Opens and closes for each user by itself, who is named to the commands. */
  readonly perUser?: boolean | undefined
}

/** Where this user's ssh keys may forward to while the service is open. */
export interface PermitSettings {
  readonly to: readonly Endpoint[]
  /** The unix account that they log in to. */
  readonly account: string
  /** The authorized_keys file; absent: the account's own. */
  readonly file: string | undefined
}

/** A MikroTik router, and what is opened on it. */
export interface RouterSettings {
  /** `https://192.0.2.1`, without the REST API's path. */
  readonly url: string
  readonly user: string
  readonly password: SecretSource
  readonly trust: RouterTrust
  readonly opens: RouterOpens
}

/** How the router proves that it is itself. */
export type RouterTrust =
  /** The SHA-256 of its certificate, 64 hexadecimal digits in lower case. */
  | { readonly kind: 'fingerprint'; readonly sha256: string }
  /** The path of a file with the certificate authority's certificate. */
  | { readonly kind: 'ca'; readonly file: string }

export type RouterOpens =
  | { readonly kind: 'list'; readonly list: string }
  /** A login of the router's own, with the rights of this group there. */
  | { readonly kind: 'login'; readonly group: string; readonly deliver: string }

/** Where a secret stands that the configuration does not hold itself. */
export type SecretSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'environment'; readonly variable: string }

/** A person's addresses, one for each kind of channel. */
export interface Contact {
  readonly mail: string | undefined
  /** An ntfy topic: whoever knows it reads what is sent there. */
  readonly ntfy: string | undefined
}

/** A second way to people, beside the packets. */
export type ChannelSettings = MailSettings | NtfySettings | WebhookSettings

export interface MailSettings {
  readonly kind: 'mail'
  readonly server: Endpoint
  /** TLS from the first byte; else STARTTLS, and no mail without it. */
  readonly tls: 'at once' | 'starttls'
  /** The path of a file with the certificate authority's certificate; absent: those that Node knows. */
  readonly ca: string | undefined
  readonly from: string
  readonly login: { readonly user: string; readonly password: SecretSource } | undefined
}

export interface NtfySettings {
  readonly kind: 'ntfy'
  readonly url: string
  readonly token: SecretSource | undefined
}

export interface WebhookSettings {
  readonly kind: 'webhook'
  readonly url: string
  /** What the body is signed with. */
  readonly secret: SecretSource
}

/** Validation servers for YubiKey OTPs, and how they know us. */
export interface ValidationSettings {
  /** URLs, such as `https://api.yubico.com/wsapi/2.0/verify`; the first is asked first. */
  readonly servers: readonly string[]
  readonly clientId: number
  /** Base64: what requests and answers are signed with. */
  readonly key: SecretSource
}
