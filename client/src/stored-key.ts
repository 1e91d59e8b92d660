import { fail, fromBase64Url, KEY_BYTES, ok, type Result, toBase64Url } from '@oneknock/shared'
import type { ProfileProblem } from './profile.ts'
import { quote } from './quote.ts'
import { isCost, NONCE_BYTES, SALT_BYTES, type Sealed, TAG_BYTES } from './sealing.ts'

/** How the device key is kept: as it is, or sealed with a passphrase. */
export type StoredKey =
  | { readonly kind: 'plain'; readonly bytes: Uint8Array }
  | { readonly kind: 'sealed'; readonly sealed: Sealed }

/** More than a key and a secret for codes: a bound on what is read. */
const BOX_MAX = 1024

const PLAIN_KEYS = ['kind', 'base64url']
const SEALED_KEYS = ['kind', 'scrypt', 'nonce', 'box']
const SCRYPT_KEYS = ['n', 'r', 'p', 'salt']

type Parsed<T> = Result<T, ProfileProblem>

/** The profile's `key`, from JSON. Strict, and never quotes a value. */
export function parseStoredKey(value: unknown): Parsed<StoredKey> {
  if (!isObject(value)) return fail({ problem: 'must be an object' })
  if (value.kind === 'plain') return parsePlain(value)
  if (value.kind === 'sealed') return parseSealed(value)
  return fail({ key: 'kind', problem: 'must be "plain" or "sealed"' })
}

export function formatStoredKey(key: StoredKey): object {
  if (key.kind === 'plain') return { kind: key.kind, base64url: toBase64Url(key.bytes) }
  const { n, r, p, salt, nonce, box } = key.sealed
  return {
    kind: key.kind,
    scrypt: { n, r, p, salt: toBase64Url(salt) },
    nonce: toBase64Url(nonce),
    box: toBase64Url(box),
  }
}

function parsePlain(value: Record<string, unknown>): Parsed<StoredKey> {
  const unknown = foreign(value, PLAIN_KEYS)
  if (unknown !== undefined) return fail({ problem: `has ${unknown}, which a plain key has not` })
  const bytes = asBytes(value.base64url, KEY_BYTES)
  return bytes
    ? ok({ kind: 'plain', bytes })
    : fail({ key: 'base64url', problem: `must be ${KEY_BYTES} bytes in base64url` })
}

function parseSealed(value: Record<string, unknown>): Parsed<StoredKey> {
  const unknown = foreign(value, SEALED_KEYS)
  if (unknown !== undefined) return fail({ problem: `has ${unknown}, which a sealed key has not` })
  const { scrypt } = value
  if (!isObject(scrypt) || foreign(scrypt, SCRYPT_KEYS) !== undefined) {
    return fail({ key: 'scrypt', problem: 'must be an object of n, r, p and salt' })
  }
  const cost = { n: scrypt.n, r: scrypt.r, p: scrypt.p }
  if (!isCost(cost)) {
    return fail({ key: 'scrypt', problem: 'has n, r or p that oneknock would never use' })
  }
  const salt = asBytes(scrypt.salt, SALT_BYTES)
  if (!salt) return fail({ key: 'scrypt.salt', problem: `must be ${SALT_BYTES} bytes` })
  const nonce = asBytes(value.nonce, NONCE_BYTES)
  if (!nonce) return fail({ key: 'nonce', problem: `must be ${NONCE_BYTES} bytes` })
  const box = asBytes(value.box)
  if (!box || box.length < KEY_BYTES + TAG_BYTES || box.length > BOX_MAX) {
    return fail({ key: 'box', problem: 'is cut short or too long' })
  }
  return ok({ kind: 'sealed', sealed: { ...cost, salt, nonce, box } })
}

function foreign(value: object, known: readonly string[]): string | undefined {
  const key = Object.keys(value).find(key => !known.includes(key))
  return key === undefined ? undefined : quote(key)
}

function asBytes(value: unknown, length?: number): Uint8Array | undefined {
  const bytes = typeof value === 'string' ? fromBase64Url(value) : undefined
  return length === undefined || bytes?.length === length ? bytes : undefined
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
