import { type Address, type Family, familyOf } from '@oneknock/shared'
import type { Port, Service } from './directory.ts'

/** Where one port of a service leads to, for one family: nothing translates between the two. */
export interface Lead {
  readonly family: Family
  readonly port: Port
  readonly to: { readonly address: Address; readonly port: number }
}

/**
 * Where each port of a service leads to: a family's targets, in their order, belong to the ports in
 * theirs. Empty for a service of this host itself.
 */
export function leadsOf({ ports, forward }: Pick<Service, 'ports' | 'forward'>): Lead[] {
  return ([4, 6] as const).flatMap(family => {
    const targets = (forward?.to ?? []).filter(({ address }) => familyOf(address) === family)
    return targets.flatMap((to, i) => {
      const port = ports[i]
      return port ? [{ family, port, to }] : []
    })
  })
}

/** In words that compare: `tcp/2222 10.0.0.5:22`. */
export const describeLead = ({ port: { protocol, port }, to }: Lead): string =>
  `${protocol}/${port} ${formatInner(to)}`

export const sameLeads = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every(lead => b.includes(lead))

export const formatInner = ({ address, port }: Lead['to']): string =>
  familyOf(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`
