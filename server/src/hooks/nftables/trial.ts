import type { Port } from '../../core/directory.ts'
import { hasEnded } from '../guard/flows.ts'
import { formatDuration, parseDuration, TABLE } from './elements.ts'
import { set } from './text.ts'

/*
 * A guard on trial guards what is in a set whose elements carry the kernel's timeout: it lets go by
 * itself, though every process be gone. A guard for good names its ports in the rule itself.
 */

const TRIAL = 'trial'

export const TRIAL_DEFINITION = set(TRIAL, 'inet_proto . inet_service')

export const onTrialIn = (field: 'dport'): string => `meta l4proto . th ${field} @${TRIAL}`

/** A trial that is over guards nothing. */
export function trialCommands(ports: readonly Port[], remaining: number): string[] {
  if (hasEnded(remaining) || ports.length === 0) return []
  const timeout = formatDuration(remaining)
  const elements = ports.map(({ protocol, port }) => `${protocol} . ${port} timeout ${timeout}`)
  return [`add element ${TABLE} ${TRIAL} { ${elements.join(', ')} }`]
}

const LISTED = /\n\tset trial \{\n([\s\S]*?)\n\t\}/
const EXPIRES = /expires ([0-9a-z]+)/g

/** Milliseconds that the trial of a listed table lasts still, 0 if it has let go; else `undefined`. */
export function parseTrial(text: string): number | undefined {
  const [, body] = LISTED.exec(text) ?? []
  if (body === undefined) return undefined
  return Math.max(0, ...[...body.matchAll(EXPIRES)].map(([, left = '']) => parseDuration(left)))
}
