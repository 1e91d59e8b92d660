import type { Guard } from '../guard/kernel.ts'
import { SYSTEM_FOLDERS } from '../guard/program.ts'
import { rawTable } from './knock-rules.ts'
import { LOCK_WAIT } from './programs.ts'
import { mangleTable, type Table } from './rules.ts'
import { type Present, replaceScript } from './script.ts'
import { createLine, FAMILIES, sentinelLine, setsOf } from './sets.ts'

const NOTHING: Present = { chains: [], jumps: [], text: '' }
const PROGRAM = { 4: 'iptables', 6: 'ip6tables' } as const
/** No line of ours is this word, so what stands before it is data to the shell. */
const END = 'ONEKNOCK_END'

/**
 * A script for `sh` that puts the guard up with nobody in: what a boot unit runs. A guard that is
 * there, with people in it, is left alone: sets are made only where there are none, and rules where
 * nothing leads to ours. What fails makes the status 1 and keeps nothing else from being closed.
 */
export function renderScript(guard: Guard): string {
  const sets = setsOf(guard, false)
  return `${[
    '# Closes the guarded ports with nobody in, until the daemon is up: sh guard.sh',
    `PATH=${SYSTEM_FOLDERS.join(':')}`,
    'export PATH',
    'status=0',
    ...fed('ipset -exist restore', [...sets.map(createLine), ...sets.flatMap(sentinelLine)]),
    ...FAMILIES.flatMap(family => rules(guard, family)),
    'exit $status',
  ].join('\n')}\n`
}

function rules(guard: Guard, family: 4 | 6): string[] {
  const tables = [mangleTable(guard, family, false), rawTable(guard.spaPorts, family)]
  const program = `${PROGRAM[family]} -w ${LOCK_WAIT}`
  const stands = tables.flatMap(({ name, jumps }: Table) =>
    jumps.map(({ from, to }) => `${program} -t ${name} -C ${from} -j ${to}`),
  )
  if (stands.length === 0) return []
  const text = tables.map(table => replaceScript(table, NOTHING)).join('')
  const restore = `${PROGRAM[family]}-restore -w ${LOCK_WAIT} --noflush`
  // Where IPv6 is switched off there is nothing to guard.
  const needed = family === 6 ? '[ -e /proc/self/net/if_inet6 ] && ' : ''
  return [
    `if ${needed}! { ${stands.join(' && ')}; } 2>/dev/null`,
    'then',
    ...fed(restore, text.trimEnd().split('\n')),
    'fi',
  ]
}

const fed = (command: string, lines: readonly string[]): string[] => [
  `${command} <<'${END}' || status=1`,
  ...lines,
  END,
]
