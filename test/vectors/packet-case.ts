import { type Address, encodeKnock, epochOf, type Knock } from '../../shared/src/index.ts'
import type { Edit, PacketStage, PacketVector } from './vectors.ts'

/** One packet vector before its bytes are made. */
export interface PacketCase {
  readonly name: string
  readonly what: string
  readonly body: Uint8Array
  readonly stage: PacketStage | null
  readonly field?: PacketVector['field']
  readonly clockMs: number
  readonly floorMs: number
  /** Which tags the server remembers. */
  readonly remembers: 'nothing' | 'another' | 'this'
  /** What the hint is computed for. */
  readonly epoch: number
  readonly hintDevice: string
  readonly tagDevice: string
  readonly edit: Edit
}

export const SENT_AT = 1_767_225_600_123
export const WINDOW_MS = 120_000
export const GREATEST = 2 ** 53 - 1

/** Where the fields of the body stand: SPEC section 4, written a second time on purpose. */
export const AT = {
  version: 0,
  verb: 1,
  factorKind: 2,
  factorLength: 3,
  sentAt: 8,
  address: 24,
  prefix: 40,
  factor: 41,
  servicesLength: 89,
  services: 90,
}

const GOOD: Knock = {
  verb: 'open',
  factor: { kind: 'totp', code: '492039' },
  lifetime: 3600,
  sentAt: SENT_AT,
  knockId: '0102030405060708',
  address: '203.0.113.7' as Address,
  prefix: 128,
  services: ['ssh', 'wiki'],
}

const ascii = (text: string) => new TextEncoder().encode(text)

export function bodyOf(knock: Partial<Knock> = {}): Uint8Array {
  const body = encodeKnock({ ...GOOD, ...knock })
  if (!body.ok) throw new Error(`not a knock: ${body.error.field}`)
  return body.value
}

type Patches = Readonly<Record<number, string | readonly number[]>>

/** The good body, or another, with bytes put over it. */
export function patched(patches: Patches, body = bodyOf()): Uint8Array {
  for (const [offset, bytes] of Object.entries(patches)) {
    body.set(typeof bytes === 'string' ? ascii(bytes) : bytes, Number(offset))
  }
  return body
}

export function packet(name: string, what: string, its: Partial<PacketCase> = {}): PacketCase {
  return {
    name,
    what,
    body: bodyOf(),
    stage: null,
    clockMs: SENT_AT + 40,
    floorMs: 0,
    remembers: 'nothing',
    epoch: epochOf(SENT_AT),
    hintDevice: 'laptop',
    tagDevice: 'laptop',
    edit: {},
    ...its,
  }
}
