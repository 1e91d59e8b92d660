/** The numbers of oneknock/1. They are the contract (SPEC.md); tuning numbers live where they are used. */

/** HKDF salt, and the name and version of the protocol. */
export const PROTOCOL = 'oneknock/1'
/** First byte of every body. */
export const VERSION = 1

export const PACKET_BYTES = 256
export const REPLY_BYTES = 128

export const KEY_BYTES = 32
export const HINT_BYTES = 8
export const NONCE_BYTES = 24
export const TAG_BYTES = 32
export const KNOCK_BODY_BYTES = 192
export const REPLY_BODY_BYTES = 72
export const ADDRESS_BYTES = 16
export const KNOCK_ID_BYTES = 8
export const GRANT_ID_BYTES = 8

/** A hint lives for one epoch: the minute in which its packet was sent. */
export const EPOCH_MS = 60_000

/** A YubiKey's OTP usually has 44 characters, a recovery code 34: 48 leaves a little room. */
export const FACTOR_MAX = 48
/** What is left of the body behind the factor. */
export const SERVICES_MAX = 102
/** What is left of the reply's body. */
export const DETAIL_MAX = 31

/** Longest name of a user, device, service or target. */
export const NAME_MAX = 32

/** The port that invitations and configurations default to. */
export const DEFAULT_PORT = 62201

export const VERBS = ['open', 'close'] as const
export type Verb = (typeof VERBS)[number]

/** Index = value on the wire. */
export const FACTOR_KINDS = ['none', 'totp', 'yubikey', 'recovery'] as const
export type FactorKind = (typeof FACTOR_KINDS)[number]

/** Index = value on the wire. */
export const STATUSES = ['opened', 'closed', 'pending', 'refused'] as const
export type Status = (typeof STATUSES)[number]

/** Index = value on the wire; these names are the stable codes that programs may rely on. */
export const REASONS = [
  'none',
  'wrong-factor',
  'factor-used',
  'locked',
  'service',
  'address',
  'hook-failed',
  'schedule',
  'denied',
  'approval-timeout',
  'state-unavailable',
] as const
export type Reason = (typeof REASONS)[number]
