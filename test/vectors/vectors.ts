import { readFileSync } from 'node:fs'
import type { MalformedField } from '../../shared/src/index.ts'

/** Where a server stops a packet, in the order of SPEC section 7. `null` in a vector: nowhere. */
export type PacketStage =
  | 'length'
  | 'hint'
  | 'tag'
  | 'malformed'
  | 'epoch'
  | 'stale'
  | 'floor'
  | 'replay'

/** Where a client stops a reply, in the order of SPEC section 6. */
export type ReplyStage = 'length' | 'tag' | 'malformed'

/** How the datagram differs from the sealed one; at most one member is there. */
export interface Edit {
  /** So many bytes are left. */
  readonly cut?: number
  /** Hexadecimal, behind the end. */
  readonly append?: string
  /** The byte at `at`, XORed with `with` (hexadecimal). */
  readonly flip?: { readonly at: number; readonly with: string }
}

export interface VectorDevice {
  readonly device_key: string
  readonly pseudorandom_key: string
  readonly keys: Readonly<Record<string, string>>
  /** Whether the server knows it. */
  readonly enrolled: boolean
}

/** All bytes are hexadecimal, all times milliseconds since the Unix epoch. */
export interface PacketVector {
  readonly name: string
  readonly what: string
  /** Whose keys encrypt, make the hint, and sign: names among `devices`. */
  readonly device: string
  readonly hint_device: string
  readonly tag_device: string
  /** What the hint is computed for. */
  readonly epoch: number
  readonly hint: string
  readonly nonce: string
  readonly subkey: string
  readonly body: string
  readonly ciphertext: string
  readonly tag: string
  readonly edit: Edit
  readonly datagram: string
  /** The server at that moment: its clock, the device's floor, and the tags that it remembers. */
  readonly clock_ms: number
  readonly floor_ms: number
  readonly seen: readonly string[]
  readonly stage: PacketStage | null
  /** Which field, if the stage is `malformed`. */
  readonly field?: MalformedField
  /** What the body says, if the packet is accepted. */
  readonly knock?: VectorKnock
}

export interface VectorKnock {
  readonly verb: string
  readonly factor: { readonly kind: string; readonly code: string }
  readonly lifetime_s: number
  readonly sent_at_ms: number
  readonly knock_id: string
  readonly address: string
  readonly prefix: number
  readonly services: readonly string[]
}

export interface ReplyVector {
  readonly name: string
  readonly what: string
  readonly device: string
  /** The tag of the packet that the client waits on, and of the one that this reply was made for. */
  readonly awaited_tag: string
  readonly answered_tag: string
  readonly nonce: string
  readonly subkey: string
  readonly body: string
  readonly ciphertext: string
  readonly tag: string
  readonly edit: Edit
  readonly datagram: string
  readonly stage: ReplyStage | null
  readonly field?: MalformedField
  readonly reply?: VectorReply
}

export interface VectorReply {
  readonly status: string
  readonly reason: string
  readonly prefix: number
  readonly lifetime_s: number
  readonly server_ms: number
  readonly address: string
  readonly grant: string
  readonly detail: string
}

interface VectorFile<V> {
  readonly what: string
  readonly devices: Readonly<Record<string, VectorDevice>>
  readonly freshness_window_ms: number
  readonly vectors: readonly V[]
}

export type PacketVectors = VectorFile<PacketVector>
export type ReplyVectors = Omit<VectorFile<ReplyVector>, 'freshness_window_ms'>

export interface GoodVector {
  readonly device_key: string
  readonly keys: Readonly<Record<string, string>>
  readonly packet: VectorKnock & {
    readonly epoch: number
    readonly nonce: string
    readonly body: string
    readonly datagram: string
  }
  readonly reply: VectorReply & {
    readonly nonce: string
    readonly body: string
    readonly datagram: string
  }
}

const load = (name: string) =>
  JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), 'utf8'))

export const loadGood = (): GoodVector => load('good')
export const loadPackets = (): PacketVectors => load('packets')
export const loadReplies = (): ReplyVectors => load('replies')
