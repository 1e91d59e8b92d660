import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Paths of PEM files. */
export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

export const certificateFiles = (folder: string): CertificateFiles => ({
  cert: join(folder, 'cert.pem'),
  key: join(folder, 'key.pem'),
})

interface CertificateOptions {
  readonly name?: string
  /** Such as `IP:127.0.0.1`. */
  readonly altName?: string
  readonly days?: number
}

/** A certificate that nobody vouches for, made by openssl. */
export function makeCertificate(
  { cert, key }: CertificateFiles,
  { name = 'gate', altName, days = 2 }: CertificateOptions = {},
): void {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const files = ['-keyout', key, '-out', cert, '-days', `${days}`, '-subj', `/CN=${name}`]
  const names = altName === undefined ? [] : ['-addext', `subjectAltName=${altName}`]
  execFileSync('openssl', ['req', '-x509', ...curve, ...files, ...names], { stdio: 'ignore' })
}
