import { type Address, encodeReply, REASONS, type Reply } from '../../shared/src/index.ts'
import type { Edit, ReplyStage, ReplyVector } from './vectors.ts'

/** One reply vector before its bytes are made. */
export interface ReplyCase {
  readonly name: string
  readonly what: string
  readonly body: Uint8Array
  readonly stage: ReplyStage | null
  readonly field?: ReplyVector['field']
  readonly device: string
  /** Which packet it was made for: the one that the client waits on, or one it sent before. */
  readonly answers: 'awaited' | 'earlier'
  readonly edit: Edit
}

/** Where the fields of the body stand: SPEC section 6, written a second time on purpose. */
const AT = {
  version: 0,
  status: 1,
  reason: 2,
  prefix: 3,
  serverMs: 8,
  detailLength: 40,
  detail: 41,
}

const GREATEST = 2 ** 53 - 1
const NO_GRANT = '0000000000000000'

const GOOD: Reply = {
  status: 'opened',
  reason: 'none',
  prefix: 128,
  lifetime: 3600,
  serverMs: 1_767_225_600_163,
  address: '203.0.113.7' as Address,
  grant: 'a1a2a3a4a5a6a7a8',
  detail: 'ssh wiki',
}

function bodyOf(its: Partial<Reply> = {}): Uint8Array {
  const body = encodeReply({ ...GOOD, ...its })
  if (!body.ok) throw new Error(`not a reply: ${body.error.field}`)
  return body.value
}

function patched(
  patches: Readonly<Record<number, readonly number[]>>,
  body = bodyOf(),
): Uint8Array {
  for (const [offset, bytes] of Object.entries(patches)) body.set(bytes, Number(offset))
  return body
}

const reply = (name: string, what: string, its: Partial<ReplyCase> = {}): ReplyCase => ({
  name,
  what,
  body: bodyOf(),
  stage: null,
  device: 'laptop',
  answers: 'awaited',
  edit: {},
  ...its,
})

const accepted = (name: string, what: string, its: Partial<Reply>) =>
  reply(name, what, { body: bodyOf(its) })

const malformed = (
  field: NonNullable<ReplyCase['field']>,
  name: string,
  what: string,
  body: Uint8Array,
) => reply(`${field}-${name}`, what, { body, stage: 'malformed', field })

const detailByte = (byte: number) => patched({ [AT.detail + 3]: [byte] })

const ACCEPTED = [
  reply('opened', 'the reply of good.json with another nonce'),
  accepted('closed', 'a grant of this device was ended early', { status: 'closed', lifetime: 0 }),
  accepted('closed-nothing', 'there was nothing to close', {
    status: 'closed',
    lifetime: 0,
    grant: NO_GRANT,
    detail: '',
  }),
  accepted('pending', 'somebody must say yes first', {
    status: 'pending',
    lifetime: 0,
    grant: NO_GRANT,
    detail: 'ssh',
  }),
  ...REASONS.slice(1).map(reason =>
    accepted(`refused-${reason}`, `refused: ${reason}`, {
      status: 'refused',
      reason,
      lifetime: 0,
      grant: NO_GRANT,
      detail: '',
    }),
  ),
  accepted('address-ipv6', 'an IPv6 /64 was admitted', {
    address: '2001:db8:1:2::' as Address,
    prefix: 64,
  }),
  accepted('prefix-shortest', 'prefix 0 on an IPv6 address', {
    address: '::' as Address,
    prefix: 0,
  }),
  accepted('prefix-shortest-mapped', 'prefix 96 on a mapped address', {
    address: '0.0.0.0' as Address,
    prefix: 96,
  }),
  accepted('lifetime-longest', 'the greatest lifetime that four bytes hold', {
    lifetime: 2 ** 32 - 1,
  }),
  accepted('server-clock-greatest', "the server's clock at 2^53 - 1", { serverMs: GREATEST }),
  accepted('detail-longest', '31 characters of detail, the first and the last printable ones', {
    detail: `${' ~'.repeat(15)} `,
  }),
]

const UNREADABLE = [
  reply('length-0', 'an empty datagram', { stage: 'length', edit: { cut: 0 } }),
  reply('length-127', 'the last byte is missing', { stage: 'length', edit: { cut: 127 } }),
  reply('length-129', 'one byte too many', { stage: 'length', edit: { append: '00' } }),
  reply('tag-first-byte', "the tag's first byte is wrong", {
    stage: 'tag',
    edit: { flip: { at: 96, with: '01' } },
  }),
  reply('tag-last-byte', "the tag's last byte is wrong", {
    stage: 'tag',
    edit: { flip: { at: 127, with: '80' } },
  }),
  reply('tag-nonce-changed', 'the tag covers the nonce', {
    stage: 'tag',
    edit: { flip: { at: 0, with: '01' } },
  }),
  reply('tag-ciphertext-changed', 'the tag covers the ciphertext', {
    stage: 'tag',
    edit: { flip: { at: 95, with: '01' } },
  }),
  reply('tag-earlier-packet', 'the answer to an earlier packet of the same device', {
    stage: 'tag',
    answers: 'earlier',
  }),
  reply('tag-other-device', 'made under the keys of another device', {
    stage: 'tag',
    device: 'runner',
  }),
]

const MALFORMED = [
  malformed('version', '0', 'version 0', patched({ [AT.version]: [0] })),
  malformed('version', '2', 'version 2', patched({ [AT.version]: [2] })),
  malformed('status', '4', 'status 4', patched({ [AT.status]: [4] })),
  malformed('reason', '11', 'reason 11', patched({ [AT.reason]: [11] })),
  malformed('prefix', '129', 'prefix 129 on a mapped address', patched({ [AT.prefix]: [129] })),
  malformed(
    'prefix',
    '129-ipv6',
    'prefix 129 on an IPv6 address',
    patched({ [AT.prefix]: [129] }, bodyOf({ address: '2001:db8::7' as Address })),
  ),
  malformed('prefix', '95-mapped', 'prefix 95 on a mapped address', patched({ [AT.prefix]: [95] })),
  malformed(
    'server-clock',
    'too-great',
    "the server's clock at 2^53",
    patched({ [AT.serverMs]: [0, 0x20, 0, 0, 0, 0, 0, 0] }),
  ),
  malformed(
    'detail-length',
    '32',
    'detail length 32; the 31 bytes that are there are printable',
    patched({ [AT.detailLength]: [32] }, bodyOf({ detail: 'd'.repeat(31) })),
  ),
  malformed('detail', 'nul', 'a zero within the detail', detailByte(0x00)),
  malformed('detail', 'control', 'the last byte below the printable ones', detailByte(0x1f)),
  malformed('detail', 'del', 'the first byte above the printable ones', detailByte(0x7f)),
  malformed('detail', 'high', 'a byte that is not ASCII', detailByte(0xe4)),
  malformed('padding', 'detail', 'a byte right behind the detail', patched({ 49: [1] })),
  malformed('padding', 'detail-end', "the body's last byte", patched({ 71: [32] })),
]

export const REPLY_CASES: readonly ReplyCase[] = [...ACCEPTED, ...UNREADABLE, ...MALFORMED]
