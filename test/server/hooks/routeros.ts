import type { RouterOpens, RouterSettings, Service } from '../../../server/src/core/directory.ts'
import { RouterOsHook, type RouterOsParts } from '../../../server/src/hooks/routeros.ts'
import { service } from './service.ts'

export const API_PASSWORD = 'api-password-5b1d'

export const router = (opens: RouterOpens, own: Partial<RouterSettings> = {}): RouterSettings => ({
  url: 'https://192.0.2.1',
  user: 'oneknock',
  password: { kind: 'environment', variable: 'OKH_ROUTER' },
  trust: { kind: 'fingerprint', sha256: '0'.repeat(64) },
  opens,
  ...own,
})

export const list = (name = 'oneknock'): RouterOpens => ({ kind: 'list', list: name })
export const login: RouterOpens = { kind: 'login', group: 'write', deliver: 'post' }

export const onRouter = (
  name: string,
  opens: RouterOpens,
  settings: Partial<RouterSettings> = {},
  own: Partial<Service> = {},
): Service => service(name, { routeros: router(opens, settings), ...own })

/** A letter as it was delivered. */
export interface Delivered {
  readonly channel: string
  readonly user: string
  readonly name: string
  readonly password: string
  readonly title: string
  readonly text: string
}

export function readLetter(
  channel: string,
  user: string,
  { title, text }: { readonly title: string; readonly text: string },
): Delivered {
  const [, name = ''] = /^name: (.*)$/m.exec(text) ?? []
  const [, password = ''] = /^password: (.*)$/m.exec(text) ?? []
  return { channel, user, name, password, title, text }
}

/** A hook that is not started. */
export const makeHook = (
  parts: Partial<RouterOsParts> & Pick<RouterOsParts, 'services' | 'clock' | 'state'>,
): RouterOsHook =>
  new RouterOsHook({
    log: () => {},
    readSecret: () => API_PASSWORD,
    deliver: async () => {},
    ...parts,
  })
