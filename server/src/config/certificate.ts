import { constants, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { fail, ok, type Result } from '@oneknock/shared'
import type { TlsFiles } from '../core/http.ts'
import type { ConfigError } from './error.ts'
import { readTrusted, type TrustedFile } from './files.ts'

/** A chain of certificates takes a tenth of it. */
const PEM_MAX = 64 * 1024
const CERTIFICATE: TrustedFile = { secrecy: 'unwritable', most: PEM_MAX }
const KEY: TrustedFile = { secrecy: 'private', most: PEM_MAX }

/** A handshake begun anew on the same connection would be one that nobody counts. */
const SAFE = { minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_RENEGOTIATION } as const

export interface Certificate {
  readonly secure: SecureContext
  /** When it ends, milliseconds since the Unix epoch. */
  readonly until: number
}

/** A certificate and its key, both in PEM; the key must be the daemon's alone. */
export function readCertificate({ cert, key }: TlsFiles): Result<Certificate, ConfigError> {
  const certificate = readTrusted(cert, CERTIFICATE)
  if (!certificate.ok) return certificate
  const secret = readTrusted(key, KEY)
  if (!secret.ok) return secret
  try {
    const until = Date.parse(new X509Certificate(certificate.value).validTo)
    const pem = { cert: certificate.value, key: secret.value }
    return ok({ secure: createSecureContext({ ...pem, ...SAFE }), until })
  } catch (error) {
    // OpenSSL's own words could quote what stands there.
    const { code = 'not PEM' } = error as NodeJS.ErrnoException
    const message = `is no PEM certificate that goes with the key in ${key} (${code})`
    return fail({ code: 'value', file: cert, message })
  }
}
