import { parseTotpSecret, totpCode, totpStep } from '@oneknock/shared'

/** The code of that moment. Apart, since only machines need it and it takes a while to load. */
export function codeAt(secret: string, ms: number): string {
  const bytes = parseTotpSecret(secret)
  if (!bytes) throw new TypeError('no profile holds such a secret')
  return totpCode(bytes, totpStep(ms))
}
