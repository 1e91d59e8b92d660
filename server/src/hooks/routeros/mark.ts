import { formatNetwork, isName, type Network, parseNetwork } from '@oneknock/shared'
import type { Opening } from '../../core/openings.ts'

/** What the router's comments say of what we made there: whose it is, and until when. */
export interface Mark {
  /** Which daemon made it: others may look after the same router. */
  readonly instance: string
  readonly service: string
  readonly network: Network
  readonly user: string | undefined
  readonly until: number
}

export const markOf = (instance: string, { service, network, user, until }: Opening): Mark => ({
  instance,
  service,
  network,
  user,
  until,
})

export const formatMark = ({ instance, service, network, user, until }: Mark): string => {
  const whose = user === undefined ? '' : ` for ${user}`
  const end = new Date(until).toISOString()
  return `oneknock ${instance} ${service} from ${formatNetwork(network)}${whose} until ${end}`
}

const MARK =
  /^oneknock ([0-9a-f]{16}) (\S+) from (\S+?)(?: for (\S+))? until (\d{4}-\d\d-\d\dT[\d:.]+Z)$/

export function parseMark(comment: string | undefined): Mark | undefined {
  const [, instance, service, from, user, end] = MARK.exec(comment ?? '') ?? []
  const network = from && parseNetwork(from)
  const until = Date.parse(end ?? '')
  if (!instance || !service || !isName(service) || !network || Number.isNaN(until)) return undefined
  if (user !== undefined && !isName(user)) return undefined
  return { instance, service, network, user, until }
}
