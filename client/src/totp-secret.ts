import { fail, ok, type Result } from '@oneknock/shared'
import { isTotpSecret } from './profile.ts'

/** The only parameters that every authenticator honours, and so the only ones that servers take. */
const PARAMETERS = { algorithm: 'SHA1', digits: '6', period: '30' } as const

/** An authenticator's secret as people have it, in base32 or in an otpauth: URI; or a line on why it is none. */
export function parseSecret(text: string): Result<string, string> {
  const trimmed = text.trim()
  const uri = /^otpauth:\/\/totp\//i.test(trimmed) ? new URL(trimmed).searchParams : undefined
  for (const [name, only] of Object.entries(PARAMETERS)) {
    const value = uri?.get(name) ?? only
    if (value.toUpperCase() !== only) {
      return fail(`the authenticator's ${name} is not ${only}; give the server's own otpauth: URI`)
    }
  }
  const secret = (uri ? (uri.get('secret') ?? '') : trimmed)
    .replaceAll(' ', '')
    .replace(/=+$/, '')
    .toUpperCase()
  return isTotpSecret(secret)
    ? ok(secret)
    : fail('this is no authenticator secret: give it whole, in base32 or as an otpauth: URI')
}
