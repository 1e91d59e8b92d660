import { sha256 } from '@noble/hashes/sha2.js'
import { formatNetwork, formatTotpSecret, toBase64Url, toHex } from '@oneknock/shared'
import * as v from 'valibot'
import { formatDuration } from '../config/duration.ts'
import type { Path, Problem } from '../config/error.ts'
import { nearest } from '../config/suggest.ts'
import { problemsOf } from '../config/tables.ts'
import { isTable, type Table } from '../config/toml.ts'
import {
  type Contact,
  type Device,
  isOnline,
  type RecoveryCode,
  type TotpFactor,
  type User,
  type YubiKey,
} from '../core/directory.ts'
import { RECOVERY_HASH_BYTES, RECOVERY_SALT_BYTES } from '../core/recovery.ts'
import { DAYS, type Schedule } from '../core/schedule.ts'
import { userSchema } from './schema.ts'

/** A user's file, understood; `services` are those of the configuration, by name. */
export function readUser(
  name: string,
  table: Table,
  services: ReadonlyMap<string, { readonly name: string }>,
  problems: Problem[],
): User | undefined {
  if (Array.isArray(table.services)) problems.push(...serviceProblems(table.services, services))
  problems.push(...tokenProblems(table.yubikeys, table.services))
  const result = v.safeParse(userSchema, table)
  if (!result.success) {
    problems.push(...problemsOf(result.issues))
    return undefined
  }
  const raw = result.output
  // The configuration's own strings: a part of this file's text would keep all of it in memory.
  const known = (names: readonly string[]) => names.flatMap(text => services.get(text)?.name ?? [])
  return withRecovery(pack(raw.recovery), {
    name,
    services: known(raw.services),
    devices: [...raw.devices]
      .map(([label, { key, enrolled }]) => device(name, label, key, enrolled))
      .sort(byLabel),
    totp: raw.totp && totpFactor(raw.totp.secret),
    ...(raw.yubikeys.size > 0 && {
      yubikeys: [...raw.yubikeys].map(one => yubiKey(one, known)).sort(byLabel),
    }),
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

interface RawYubiKey {
  readonly public_id: string
  readonly private_id?: Uint8Array | undefined
  readonly key?: Uint8Array | undefined
  readonly services?: readonly string[] | undefined
}

/** The schema sees to it that there are both secrets or neither. */
function yubiKey(
  [label, raw]: readonly [string, RawYubiKey],
  known: (names: readonly string[]) => readonly string[],
): YubiKey {
  const { public_id: publicId, private_id: privateId, key } = raw
  const token = { label, publicId, ...(raw.services && { services: known(raw.services) }) }
  return key && privateId ? { ...token, privateId, key } : { ...token, online: true }
}

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
  const { maxLifetime, schedule, networks } = user
  return [
    HEADER,
    `services = ${formatNames(services)}`,
    ...(locked ? ['locked = true'] : []),
    ...(otherAddress ? ['other_address = true'] : []),
    ...(maxLifetime ? [`max_lifetime = "${formatDuration(maxLifetime * 1000)}"`] : []),
    ...(schedule ? [`schedule = ${formatSchedule(schedule)}`] : []),
    ...(networks ? [`networks = ${formatNames(networks.map(formatNetwork))}`] : []),
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

export const formatYubiKey = (token: YubiKey): string =>
  [
    `[yubikeys.${token.label}]`,
    `public_id = "${token.publicId}"`,
    ...(isOnline(token)
      ? ['online = true']
      : [`private_id = "${toHex(token.privateId)}"`, `key = "${toHex(token.key)}"`]),
    ...(token.services ? [`services = ${formatNames(token.services)}`] : []),
  ].join('\n')

const formatNames = (names: readonly string[]): string =>
  `[${names.map(name => `"${name}"`).join(', ')}]`

const DAY_MINUTES = 24 * 60

function formatSchedule({ days, from, until, zone }: Schedule): string {
  const time = (minute: number) =>
    [Math.floor(minute / 60), minute % 60].map(part => `${part}`.padStart(2, '0')).join(':')
  // Written as the end of the day; `until` at its beginning means the same to a schedule.
  const hours = `${time(from)}-${time(until % DAY_MINUTES === 0 ? DAY_MINUTES : until)}`
  const names = [...days].sort((a, b) => a - b).map(day => DAYS[day]!)
  return `{ days = ${formatNames(names)}, hours = "${hours}", zone = "${zone}" }`
}

/**
 * Unpacked when asked for: kept as objects, a million codes would fill half a gigabyte. One getter for
 * all: an accessor is part of an object's hidden class, and a user with a getter of its own would have
 * a class of its own, 400 bytes large, which the engine looks at anew with every knock.
 */
function withRecovery(packed: Uint8Array, user: Omit<User, 'recovery'>): User {
  return Object.defineProperties(user as User, { [PACKED]: { value: packed }, recovery: RECOVERY })
}

const PACKED = Symbol('recovery codes')
const RECOVERY = {
  enumerable: true,
  get(this: { readonly [PACKED]: Uint8Array }): RecoveryCode[] {
    return unpack(this[PACKED])
  },
}

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

/** A token opens less than its owner may, never more. */
function tokenProblems(yubikeys: unknown, owners: unknown): Problem[] {
  const may: readonly unknown[] = Array.isArray(owners) ? owners : []
  return Object.entries(isTable(yubikeys) ? yubikeys : {}).flatMap(([label, token]) => {
    const listed = isTable(token) && Array.isArray(token.services) ? token.services : []
    return listed.flatMap((text: unknown, index): Problem[] => {
      if (typeof text !== 'string' || may.includes(text)) return []
      const path: Path = ['yubikeys', label, 'services', index]
      const message = "the user's own services, at the top, do not have it"
      return [{ code: 'conflict', path, found: JSON.stringify(text), message }]
    })
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
