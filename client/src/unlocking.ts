import { fail, KEY_BYTES, ok, type Result } from '@oneknock/shared'
import type { Profile } from './profile.ts'
import { seal, unseal } from './sealing.ts'

/** A profile whose secrets can be used. */
export interface Unlocked extends Omit<Profile, 'key'> {
  readonly key: Uint8Array
}

/** What can be used as it is; `undefined`: a passphrase is needed. */
export function unlockedAlready(profile: Profile): Unlocked | undefined {
  return profile.key.kind === 'plain' ? { ...profile, key: profile.key.bytes } : undefined
}

export async function unlock(
  profile: Profile,
  passphrase: string,
): Promise<Result<Unlocked, 'wrong-passphrase'>> {
  if (profile.key.kind === 'plain') return ok({ ...profile, key: profile.key.bytes })
  const opened = await unseal(profile.key.sealed, passphrase)
  if (!opened.ok) return fail('wrong-passphrase')
  const key = opened.value.slice(0, KEY_BYTES)
  const totpSecret = new TextDecoder().decode(opened.value.subarray(KEY_BYTES))
  return ok({ ...profile, key, ...(totpSecret !== '' && { totpSecret }) })
}

/** The same profile with all its secrets in one box: the key, and behind it the secret for codes. */
export async function lock(
  unlocked: Unlocked,
  passphrase: string,
  random: (bytes: number) => Uint8Array,
): Promise<Profile> {
  const { key, totpSecret = '', ...rest } = unlocked
  const secrets = new Uint8Array([...key, ...new TextEncoder().encode(totpSecret)])
  return { ...rest, key: { kind: 'sealed', sealed: await seal(secrets, passphrase, random) } }
}
