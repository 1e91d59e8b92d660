import { fail, ok, type Result } from '@oneknock/shared'

/** What a passphrase opens, and all but the passphrase that is needed for it. */
export interface Sealed extends Cost {
  readonly salt: Uint8Array
  readonly nonce: Uint8Array
  /** XChaCha20-Poly1305, its tag at the end. */
  readonly box: Uint8Array
}

/** What one guess at the passphrase costs (RFC 7914): 128 · n · r bytes, p times over. */
export interface Cost {
  readonly n: number
  readonly r: number
  readonly p: number
}

export const SALT_BYTES = 16
export const NONCE_BYTES = 24
export const TAG_BYTES = 16
const KEY_BYTES = 32

/** 128 MiB and about half a second for each guess; nobody notices it behind a passphrase typed. */
export const COST: Cost = { n: 2 ** 17, r: 8, p: 1 }
/** Weaker than this nobody has sealed anything, */
const N_MIN = 2 ** 14
/** and with more than this a profile from elsewhere could fill this machine. */
const MEMORY_MAX = 2 ** 30
const P_MAX = 16

/** Shorter ones are found from a stolen file in no time, whatever each guess costs. */
export const PASSPHRASE_MIN = 8

/** Says what the bytes are for: no other program's box opens as one of these. */
const PURPOSE = new TextEncoder().encode('oneknock sealed key 1')

export async function seal(
  secret: Uint8Array,
  passphrase: string,
  random: (bytes: number) => Uint8Array,
  cost: Cost = COST,
): Promise<Sealed> {
  const salt = random(SALT_BYTES)
  const nonce = random(NONCE_BYTES)
  const cipher = await cipherFor(passphrase, { ...cost, salt, nonce })
  return { ...cost, salt, nonce, box: cipher.encrypt(secret) }
}

/** A wrong passphrase and a box that was tampered with cannot be told apart. */
export async function unseal(
  sealed: Sealed,
  passphrase: string,
): Promise<Result<Uint8Array, 'wrong-passphrase'>> {
  const cipher = await cipherFor(passphrase, sealed)
  try {
    return ok(cipher.decrypt(sealed.box))
  } catch {
    return fail('wrong-passphrase')
  }
}

export function isCost(cost: { readonly [K in keyof Cost]: unknown }): cost is Cost {
  const { n, r, p } = cost
  return (
    isWhole(n) &&
    isWhole(r) &&
    isWhole(p) &&
    Number.isInteger(Math.log2(n)) &&
    n >= N_MIN &&
    128 * n * r <= MEMORY_MAX &&
    p <= P_MAX
  )
}

const isWhole = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1

async function cipherFor(passphrase: string, sealed: Omit<Sealed, 'box'>) {
  const { xchacha20poly1305 } = await import('@noble/ciphers/chacha.js')
  return xchacha20poly1305(await stretch(passphrase, sealed), sealed.nonce, PURPOSE)
}

/** Node's own: the same bytes as any other scrypt, in half the time, and beside the event loop. */
async function stretch(
  passphrase: string,
  { n, r, p, salt }: Omit<Sealed, 'box'>,
): Promise<Uint8Array> {
  const { scrypt } = await import('node:crypto')
  // One passphrase has several encodings, and keyboards differ in which they give.
  const text = passphrase.normalize('NFKC')
  const options = { N: n, r, p, maxmem: 2 * MEMORY_MAX }
  return new Promise((resolve, reject) => {
    scrypt(text, salt, KEY_BYTES, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}
