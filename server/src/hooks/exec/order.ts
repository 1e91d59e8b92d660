import { formatNetwork, isName, parseNetwork } from '@oneknock/shared'
import type { Opening } from '../../core/openings.ts'
import { converse } from '../../socket.ts'
import type { Outcome } from '../command.ts'
import type { ExecEvent } from './environment.ts'

/**
 * What the helper is told, and all that it is: never a command, never an account. Which those are it
 * reads for itself, so whoever is the daemon can only have done what the administrator wrote down.
 */
export interface Order {
  readonly event: ExecEvent
  readonly opening: Opening
}

/** Beyond a command's own time: to wait for room, and to be ended. */
const GRACE_MS = 40_000

/** What came of it; `undefined` if no helper listens there. */
export async function giveOrder(
  path: string,
  { event, opening }: Order,
  timeLimit: number,
): Promise<Outcome | undefined> {
  const request = { event, ...opening, network: formatNetwork(opening.network) }
  return (await converse(path, request, () => {}, timeLimit + GRACE_MS)) as Outcome | undefined
}

/** An order as it comes in, from a process that may be anybody's by now. */
export function parseOrder(value: unknown): Order | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { event, service, network: text, user, until, ...rest } = value as Record<string, unknown>
  if (Object.keys(rest).length > 0) return undefined
  if (event !== 'open' && event !== 'close') return undefined
  if (typeof service !== 'string' || !isName(service)) return undefined
  const network = typeof text === 'string' ? parseNetwork(text) : undefined
  if (!network || typeof until !== 'number' || !Number.isSafeInteger(until)) return undefined
  if (user === undefined) return { event, opening: { service, network, until } }
  if (typeof user !== 'string' || !isName(user)) return undefined
  return { event, opening: { service, network, user, until } }
}
