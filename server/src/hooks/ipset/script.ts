import { PREFIX } from './names.ts'
import type { Table } from './rules.ts'

/** A table of somebody's as `iptables-save` prints it, as far as it is ours. */
export interface Present {
  readonly chains: readonly string[]
  /** `-A PREROUTING … -j ONEKNOCK`, without the `-A`. */
  readonly jumps: readonly string[]
  /** All of it: same text, same rules. */
  readonly text: string
}

const CHAIN = new RegExp(`^:(${PREFIX}\\S*) `)
const OWN_RULE = new RegExp(`^-A ${PREFIX}`)
const JUMP = new RegExp(`^-A (\\S+ .*-[jg] ${PREFIX}\\S*)$`)

export function readTable(saved: string): Present {
  const chains: string[] = []
  const jumps: string[] = []
  const rules: string[] = []
  for (const line of saved.split('\n')) {
    const [, chain] = CHAIN.exec(line) ?? []
    const [, jump] = JUMP.exec(line) ?? []
    if (chain !== undefined) chains.push(chain)
    else if (OWN_RULE.test(line)) rules.push(line)
    else if (jump !== undefined) jumps.push(jump)
  }
  // Chains are printed in no order that would mean anything.
  return { chains, jumps, text: [...[...chains].sort(), ...jumps, ...rules].join('\n') }
}

/**
 * Lines for `iptables-restore --noflush`, which takes up a table whole or not at all: ours as it
 * should be, whatever of ours is there. Our jump comes first, and once.
 */
export function replaceScript(table: Table, present: Present): string {
  const wanted = new Set(table.chains.map(({ name }) => name))
  const stale = present.chains.filter(name => !wanted.has(name))
  const jumps = table.jumps.map(({ from, to }) => `${from} -j ${to}`)
  const missing = jumps.filter(jump => !present.jumps.includes(jump))
  const surplus = present.jumps.filter(
    (jump, i) => !jumps.includes(jump) || present.jumps.indexOf(jump) !== i,
  )
  if (wanted.size === 0 && stale.length === 0) return ''
  return [
    `*${table.name}`,
    // A chain that is named here is made, or emptied.
    ...[...wanted, ...stale].map(name => `:${name} - [0:0]`),
    ...table.chains.flatMap(({ name, rules }) => rules.map(rule => `-A ${name} ${rule}`)),
    ...surplus.map(jump => `-D ${jump}`),
    ...missing.map(jump => `-I ${jump}`),
    ...stale.map(name => `-X ${name}`),
    'COMMIT',
    '',
  ].join('\n')
}
