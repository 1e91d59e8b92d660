import { type Address, epochOf, type Knock } from '../../shared/src/index.ts'
import {
  AT,
  bodyOf,
  GREATEST,
  type PacketCase,
  packet,
  patched,
  SENT_AT,
  WINDOW_MS,
} from './packet-case.ts'

const accepted = (name: string, what: string, knock: Partial<Knock>) =>
  packet(name, what, { body: bodyOf(knock) })

/** Times beyond any real clock's, where the bound on sent_at is the only one that bites. */
const atTheEndOfTime = { clockMs: GREATEST, epoch: epochOf(GREATEST) }

const malformed = (
  field: NonNullable<PacketCase['field']>,
  name: string,
  what: string,
  body: Uint8Array,
  its: Partial<PacketCase> = {},
) => packet(`${field}-${name}`, what, { body, stage: 'malformed', field, ...its })

const services = (name: string, what: string, text: string) =>
  malformed(
    'services',
    name,
    what,
    patched({ [AT.servicesLength]: [text.length], [AT.services]: text }, bodyOf({ services: [] })),
  )

const factorByte = (byte: number) => patched({ [AT.factor + 3]: [byte] })

/** Each bound's last value that is accepted. */
const ACCEPTED = [
  packet('open', 'the knock of good.json with another nonce'),
  packet('window-oldest', 'exactly as old as the window is wide', {
    clockMs: SENT_AT + WINDOW_MS,
  }),
  packet('window-newest', 'exactly as far ahead as the window is wide', {
    clockMs: SENT_AT - WINDOW_MS,
  }),
  packet('floor-above', 'sent one millisecond after the floor', { floorMs: SENT_AT - 1 }),
  packet('replay-none', 'another packet of the same knock was seen, this one was not', {
    remembers: 'another',
  }),
  packet('sent-at-greatest', 'sent_at is 2^53 - 1, the last that a body may hold', {
    body: bodyOf({ sentAt: GREATEST }),
    ...atTheEndOfTime,
  }),
  accepted('close', 'close needs no factor', {
    verb: 'close',
    factor: { kind: 'none', code: '' },
    lifetime: 0,
  }),
  accepted('factor-yubikey', 'a YubiKey OTP: 44 characters', {
    factor: { kind: 'yubikey', code: 'cccccccfhcbelrhifnjrrddcgrburluurftrgfdrdifj' },
  }),
  accepted('factor-longest', 'a factor of 48 characters, the first and the last printable ones', {
    factor: { kind: 'recovery', code: ' ~'.repeat(24) },
  }),
  accepted('factor-empty', 'a kind with no code is well formed: wrong, but not malformed', {
    factor: { kind: 'totp', code: '' },
  }),
  accepted('lifetime-longest', 'the greatest lifetime that four bytes hold', {
    lifetime: 2 ** 32 - 1,
  }),
  accepted('services-none', 'no services named: all that the user opens by default', {
    services: [],
  }),
  accepted('services-longest', '102 characters of services', {
    services: ['a'.repeat(32), 'b'.repeat(32), 'c'.repeat(32), '-9z'],
  }),
  accepted('address-source', ':: is the source of the datagram', { address: '::' as Address }),
  accepted('address-source-ipv4', '::ffff:0.0.0.0 is the source, which must be IPv4', {
    address: '0.0.0.0' as Address,
  }),
  accepted('address-ipv6', 'an IPv6 address with its /64', {
    address: '2001:db8:1:2::a' as Address,
    prefix: 64,
  }),
  accepted(
    'address-host-bits',
    'an IPv4 /24 is 120; the server masks the host bits, not the body',
    {
      prefix: 120,
    },
  ),
  accepted('prefix-shortest', 'prefix 0 on an IPv6 address', {
    address: '2001:db8::' as Address,
    prefix: 0,
  }),
  accepted('prefix-shortest-mapped', 'prefix 96 on a mapped address: all of IPv4', { prefix: 96 }),
]

const UNREADABLE = [
  packet('length-0', 'an empty datagram', { stage: 'length', edit: { cut: 0 } }),
  packet('length-255', 'the last byte is missing', { stage: 'length', edit: { cut: 255 } }),
  packet('length-257', 'one byte too many', { stage: 'length', edit: { append: '00' } }),
  packet('hint-unknown', 'the hint of a device that is not enrolled, signed by one that is', {
    stage: 'hint',
    hintDevice: 'stranger',
  }),
  packet('tag-first-byte', "the tag's first byte is wrong", {
    stage: 'tag',
    edit: { flip: { at: 224, with: '01' } },
  }),
  packet('tag-last-byte', "the tag's last byte is wrong", {
    stage: 'tag',
    edit: { flip: { at: 255, with: '80' } },
  }),
  packet('tag-nonce-changed', 'the tag covers the nonce', {
    stage: 'tag',
    edit: { flip: { at: 8, with: '01' } },
  }),
  packet('tag-ciphertext-changed', 'the tag covers the ciphertext', {
    stage: 'tag',
    edit: { flip: { at: 223, with: '01' } },
  }),
  packet('tag-other-device', 'signed by another enrolled device', {
    stage: 'tag',
    tagDevice: 'runner',
  }),
  packet('tag-hint-of-other-device', 'found by the hint of another enrolled device', {
    stage: 'tag',
    hintDevice: 'runner',
  }),
]

const MALFORMED = [
  malformed('version', '0', 'version 0', patched({ [AT.version]: [0] })),
  malformed('version', '2', 'version 2', patched({ [AT.version]: [2] })),
  malformed('verb', '0', 'verb 0', patched({ [AT.verb]: [0] })),
  malformed('verb', '3', 'verb 3', patched({ [AT.verb]: [3] })),
  malformed('factor-kind', '4', 'factor kind 4', patched({ [AT.factorKind]: [4] })),
  malformed(
    'factor-length',
    '49',
    'factor length 49; the byte behind the field, the length of the services, is printable',
    patched(
      { [AT.factorLength]: [49] },
      bodyOf({
        factor: { kind: 'recovery', code: '7'.repeat(48) },
        services: ['s'.repeat(48)],
      }),
    ),
  ),
  malformed('factor-length', 'none', 'kind none with a code', patched({ [AT.factorKind]: [0] })),
  malformed('factor', 'nul', 'a zero within the factor', factorByte(0x00)),
  malformed('factor', 'control', 'the last byte below the printable ones', factorByte(0x1f)),
  malformed('factor', 'del', 'the first byte above the printable ones', factorByte(0x7f)),
  malformed('factor', 'high', 'a byte that is not ASCII', factorByte(0xb2)),
  malformed(
    'padding',
    'factor',
    'a byte right behind the factor',
    patched({ [AT.factor + 6]: [1] }),
  ),
  malformed(
    'padding',
    'factor-end',
    "the factor field's last byte",
    patched({ [AT.factor + 47]: [48] }),
  ),
  malformed(
    'padding',
    'factor-none',
    'kind none, length 0, but a code',
    patched({ [AT.factorKind]: [0], [AT.factorLength]: [0] }),
  ),
  malformed(
    'sent-at',
    'too-great',
    'sent_at is 2^53',
    patched({ [AT.sentAt]: [0, 0x20, 0, 0, 0, 0, 0, 0] }),
    atTheEndOfTime,
  ),
  malformed('prefix', '129', 'prefix 129 on a mapped address', patched({ [AT.prefix]: [129] })),
  malformed(
    'prefix',
    '129-ipv6',
    'prefix 129 on an IPv6 address',
    patched({ [AT.prefix]: [129] }, bodyOf({ address: '2001:db8::7' as Address })),
  ),
  malformed('prefix', '95-mapped', 'prefix 95 on a mapped address', patched({ [AT.prefix]: [95] })),
  malformed(
    'services-length',
    '103',
    'services length 103; the 102 bytes that are there are a name',
    patched({ [AT.servicesLength]: [103], [AT.services]: 's'.repeat(102) }),
  ),
  services('double-space', 'two spaces between two names', 'ssh  wiki'),
  services('leading-space', 'a space before the first name', ' ssh'),
  services('trailing-space', 'a space behind the last name', 'ssh '),
  services('space', 'a space and no name', ' '),
  services('upper-case', 'an upper-case letter', 'Ssh'),
  services('underscore', 'an underscore', 'my_ssh'),
  services('comma', 'a comma between two names', 'ssh,wiki'),
  services('nul', 'a zero at the end, counted in the length', 'ssh\0'),
  services('tab', 'a tab between two names', 'ssh\twiki'),
  malformed('services', 'high', 'a byte that is not ASCII', patched({ [AT.services + 1]: [0xf3] })),
  malformed(
    'padding',
    'services',
    'a byte right behind the services',
    patched({ [AT.services + 8]: [32] }),
  ),
  malformed('padding', 'services-end', "the body's last byte", patched({ 191: [97] })),
]

const UNTIMELY = [
  packet('epoch-before', 'the hint of the minute before', {
    stage: 'epoch',
    epoch: epochOf(SENT_AT) - 1,
  }),
  packet('epoch-after', 'the hint of the minute after', {
    stage: 'epoch',
    epoch: epochOf(SENT_AT) + 1,
  }),
  packet('stale-old', 'one millisecond older than the window is wide', {
    stage: 'stale',
    clockMs: SENT_AT + WINDOW_MS + 1,
  }),
  packet('stale-new', 'one millisecond further ahead than the window is wide', {
    stage: 'stale',
    clockMs: SENT_AT - WINDOW_MS - 1,
  }),
  packet('floor-at', 'sent at the floor itself', { stage: 'floor', floorMs: SENT_AT }),
  packet('replay', 'the very same packet again', { stage: 'replay', remembers: 'this' }),
]

export const PACKET_CASES: readonly PacketCase[] = [
  ...ACCEPTED,
  ...UNREADABLE,
  ...MALFORMED,
  ...UNTIMELY,
]
