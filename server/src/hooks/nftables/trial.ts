import type { Port } from '../../core/directory.ts'
import { hasEnded } from '../guard/flows.ts'
import { formatDuration, parseDuration, TABLE } from './elements.ts'
import { set } from './text.ts'

/*
 * A guard for good names its ports in the rule itself. One that must let go by itself, though every
 * process be gone, guards what is in a set whose elements carry the kernel's timeout: `trial` for
 * one that nobody has confirmed yet, `lease` for one that a living daemon renews (`if_dead`).
 */
export interface Lent {
  readonly by: 'trial' | 'lease'
  /** Milliseconds. */
  readonly left: number
}

export const lentDefinition = ({ by }: Lent): string => set(by, 'inet_proto . inet_service')

export const lentIn = ({ by }: Lent, field: 'dport' | 'sport'): string =>
  `meta l4proto . th ${field} @${by}`

/** A trial that is over guards nothing. */
export function lendCommands({ by, left }: Lent, ports: readonly Port[]): string[] {
  if (hasEnded(left) || ports.length === 0) return []
  const timeout = formatDuration(left)
  return [
    element(
      'add',
      by,
      ports.map(port => `${keyOf(port)} timeout ${timeout}`),
    ),
  ]
}

/** Adding what is there does not move its end on every kernel: hence away with it, in one transaction. */
export function renewCommand(lent: Lent, ports: readonly Port[]): string {
  const keys = ports.map(keyOf)
  const gone = [element('add', lent.by, keys), element('delete', lent.by, keys)]
  return [...gone, ...lendCommands(lent, ports)].join('; ')
}

const element = (verb: 'add' | 'delete', by: Lent['by'], elements: readonly string[]): string =>
  `${verb} element ${TABLE} ${by} { ${elements.join(', ')} }`

const keyOf = ({ protocol, port }: Port): string => `${protocol} . ${port}`

const LISTED = {
  trial: /\n\tset trial \{\n([\s\S]*?)\n\t\}/,
  lease: /\n\tset lease \{\n([\s\S]*?)\n\t\}/,
}
const EXPIRES = /expires ([0-9a-z]+)/g

/** Milliseconds that a listed table guards still, 0 if it has let go; `undefined` if it does not end so. */
export function parseLent(text: string, by: Lent['by']): number | undefined {
  const [, body] = LISTED[by].exec(text) ?? []
  if (body === undefined) return undefined
  return Math.max(0, ...[...body.matchAll(EXPIRES)].map(([, left = '']) => parseDuration(left)))
}
