import type { Network } from '@oneknock/shared'
import type { Endpoint } from './directory.ts'

/** The door for those who cannot send our packet: a page, or a code typed blind. */
export interface HttpSettings {
  readonly listen: readonly Endpoint[]
  /** What links to it begin with, without a slash at the end; absent: nobody can be sent one. */
  readonly public: string | undefined
  /** Absent: plain, for a private network or behind a proxy. */
  readonly tls: TlsFiles | undefined
  /** Whose word on where a request comes from counts. */
  readonly trustedProxies: readonly Network[]
  /** What it may open; absent: whatever the user may. */
  readonly services: readonly string[] | undefined
  /** Who may have YubiKey OTPs validated here: the path of each client's key, by its number. */
  readonly validation?: ReadonlyMap<string, string>
}

/** Paths of PEM files. */
export interface TlsFiles {
  /** The certificate and what leads to its authority. */
  readonly cert: string
  readonly key: string
}
