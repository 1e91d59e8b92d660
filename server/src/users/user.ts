import { sha256 } from '@noble/hashes/sha2.js'
import { formatTotpSecret, toBase64Url, toHex } from '@oneknock/shared'
import * as v from 'valibot'
import type { Path, Problem } from '../config/error.ts'
import { nearest } from '../config/suggest.ts'
import { problemsOf } from '../config/tables.ts'
import type { Table } from '../config/toml.ts'
import type { Contact, Device, RecoveryCode, TotpFactor, User, YubiKey } from '../core/directory.ts'
import { RECOVERY_HASH_BYTES, RECOVERY_SALT_BYTES } from '../core/recovery.ts'
import { userSchema } from './schema.ts'

/** A user's file, understood; `services` are those of the configuration, by name. */
export function readUser(
  name: string,
  table: Table,
  services: ReadonlyMap<string, { readonly name: string }>,
  problems: Problem[],
): User | undefined {
  if (Array.isArray(table.services)) problems.push(...serviceProblems(table.services, services))
  const result = v.safeParse(userSchema, table)
  if (!result.success) {
    problems.push(...problemsOf(result.issues))
    return undefined
  }
  const raw = result.output
  return withRecovery(pack(raw.recovery), {
    name,
    // The configuration's own strings: a part of this file's text would keep all of it in memory.
    services: raw.services.flatMap(text => services.get(text)?.name ?? []),
    devices: [...raw.devices]
      .map(([label, { key, enrolled }]) => device(name, label, key, enrolled))
      .sort(byLabel),
    totp: raw.totp && totpFactor(raw.totp.secret),
    ...(raw.yubikeys.size > 0 && { yubikeys: [...raw.yubikeys].map(yubiKey).sort(byLabel) }),
    ...(raw.ssh_keys.length > 0 && { sshKeys: raw.ssh_keys }),
    ...(raw.contact && { contact: raw.contact }),
    otherAddress: raw.other_address,
    ...(raw.max_lifetime && { maxLifetime: raw.max_lifetime / 1000 }),
    ...(raw.schedule && { schedule: raw.schedule }),
    ...(raw.networks && { networks: raw.networks }),
    locked: raw.locked,
  })
}

export const device = (user: string, label: string, key: Uint8Array, at: number): Device => ({
  user,
  label,
  id: `${user}/${label}`,
  key,
  enrolledAt: at,
})

/** A table's keys come in no order that can be relied on: `[devices.10]` goes first in JavaScript. */
export const byLabel = (a: { readonly label: string }, b: { readonly label: string }): number =>
  a.label < b.label ? -1 : 1

const yubiKey = ([label, raw]: readonly [
  string,
  { public_id: string; private_id: Uint8Array; key: Uint8Array },
]): YubiKey => ({ label, publicId: raw.public_id, privateId: raw.private_id, key: raw.key })

const TOTP_ID = new TextEncoder().encode('oneknock totp')
/** 64 bits name a million secrets without two ever meeting, and tell nothing about them. */
const ID_BYTES = 8

/** The same secret has the same name, in whichever file it stands. */
export function totpFactor(secret: Uint8Array): TotpFactor {
  const digest = sha256.create().update(TOTP_ID).update(secret).digest()
  return { id: toHex(digest.subarray(0, ID_BYTES)), secret }
}

export const recoveryCode = (salt: Uint8Array, hash: Uint8Array): RecoveryCode => ({
  id: toHex(hash.subarray(0, ID_BYTES)),
  salt,
  hash,
})

const HEADER = '# A user of oneknock. Edit it as you like: `oneknockd check` says if it is right.'

/** The file of a user, which `readUser` reads back as the same user. */
export function formatUser(user: User): string {
  const { services, locked, otherAddress, totp, recovery, devices } = user
  return [
    HEADER,
    `services = [${services.map(name => `"${name}"`).join(', ')}]`,
    ...(locked ? ['locked = true'] : []),
    ...(otherAddress ? ['other_address = true'] : []),
    ...(recovery.length > 0 ? [`recovery = ${formatRecovery(recovery)}`] : []),
    ...(user.sshKeys
      ? [`ssh_keys = [\n${user.sshKeys.map(key => `  "${key}",\n`).join('')}]`]
      : []),
    ...(user.contact ? ['', formatContact(user.contact)] : []),
    ...(totp ? ['', '[totp]', `secret = ${formatTotp(totp)}`] : []),
    ...devices.map(one => `\n${formatDevice(one)}`),
    ...(user.yubikeys ?? []).map(one => `\n${formatYubiKey(one)}`),
    '',
  ].join('\n')
}

export const formatTotp = ({ secret }: TotpFactor): string => `"${formatTotpSecret(secret)}"`

export function formatRecovery(codes: readonly RecoveryCode[]): string {
  const lines = codes.map(({ salt, hash }) => `  "${toBase64Url(salt)}:${toBase64Url(hash)}",\n`)
  return `[\n${lines.join('')}]`
}

const formatContact = (contact: Contact): string =>
  [
    '[contact]',
    ...Object.entries(contact).flatMap(([kind, to]) => (to ? [`${kind} = "${to}"`] : [])),
  ].join('\n')

export const formatDevice = ({ label, key, enrolledAt }: Device): string =>
  [
    `[devices.${label}]`,
    `key = "${toBase64Url(key)}"`,
    `enrolled = ${new Date(enrolledAt).toISOString().replace('.000Z', 'Z')}`,
  ].join('\n')

const formatYubiKey = ({ label, publicId, privateId, key }: YubiKey): string =>
  [
    `[yubikeys.${label}]`,
    `public_id = "${publicId}"`,
    `private_id = "${toHex(privateId)}"`,
    `key = "${toHex(key)}"`,
  ].join('\n')

/** Unpacked when asked for: kept as objects, a million codes would fill half a gigabyte. */
const withRecovery = (packed: Uint8Array, user: Omit<User, 'recovery'>): User => ({
  ...user,
  get recovery() {
    return unpack(packed)
  },
})

const PACKED_BYTES = RECOVERY_SALT_BYTES + RECOVERY_HASH_BYTES

function pack(codes: readonly Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(codes.length * PACKED_BYTES)
  for (const [index, code] of codes.entries()) packed.set(code, index * PACKED_BYTES)
  return packed
}

const unpack = (packed: Uint8Array): RecoveryCode[] =>
  Array.from({ length: packed.length / PACKED_BYTES }, (_, index) => {
    const start = index * PACKED_BYTES
    const middle = start + RECOVERY_SALT_BYTES
    return recoveryCode(packed.slice(start, middle), packed.slice(middle, start + PACKED_BYTES))
  })

function serviceProblems(
  listed: readonly unknown[],
  services: ReadonlyMap<string, unknown>,
): Problem[] {
  return listed.flatMap((text, index): Problem[] => {
    if (typeof text !== 'string') return []
    const found = JSON.stringify(text)
    const path: Path = ['services', index]
    if (!services.has(text)) {
      return [{ code: 'conflict', path, found, message: unknownServiceMessage(text, services) }]
    }
    if (listed.indexOf(text) === index) return []
    return [{ code: 'conflict', path, found, message: 'it stands here twice; leave this one out' }]
  })
}

/** Also for whoever names one on the command line. */
export function unknownServiceMessage(
  text: string,
  services: ReadonlyMap<string, unknown>,
): string {
  const meant = nearest(text, services.keys())
  if (meant !== undefined) return `no such service; did you mean ${meant}?`
  return `no such service; the configuration has ${[...services.keys()].join(', ')}`
}
