import { fail, ok, type Result } from '@oneknock/shared'
import { readTrusted, type TrustedFile } from './config/files.ts'
import type { SecretSource } from './core/directory.ts'

/** A password or token, never a document. */
const SECRET_FILE: TrustedFile = { secrecy: 'private', most: 4_096 }

/** Why a secret cannot be had. The message names its place, never the secret. */
export class SecretError extends Error {}

/** Reads a secret each time that it is needed, so that a new one counts at once and none is kept. */
export function readSecret(source: SecretSource): string {
  if (source.kind === 'environment') {
    const value = process.env[source.variable]
    if (value) return value
    throw new SecretError(`the environment has no ${source.variable}: set it for the daemon`)
  }
  const text = readTrusted(source.path, SECRET_FILE)
  if (!text.ok) {
    const { file, found, message } = text.error
    throw new SecretError([file, found, message].filter(part => part !== undefined).join(': '))
  }
  // Editors end the last line; a secret has but one.
  const secret = text.value.replace(/\r?\n$/, '')
  if (secret !== '' && !/[\r\n\0]/.test(secret)) return secret
  throw new SecretError(`${source.path}: write the secret alone, on one line`)
}

/** The same for those who ask only whether it can be had. */
export function tryToRead(source: SecretSource): Result<string, string> {
  try {
    return ok(readSecret(source))
  } catch (error) {
    if (error instanceof SecretError) return fail(error.message)
    throw error
  }
}
