import type { Network } from '@oneknock/shared'
import type { Guard } from '../guard/kernel.ts'
import { portsOf, type Zone } from '../guard/zones.ts'
import { TABLE } from './elements.ts'
import { knockSetsAndChains } from './knock-chains.ts'
import { leadBaseChains, refusals } from './leads.ts'
import { judgesOut, outRules } from './still-chains.ts'
import { addressIn, baseChain, chain, portIn } from './text.ts'
import { type Lent, lendCommands, lentDefinition, lentIn } from './trial.ts'
import { zoneAddress, zoneChains, zoneSets } from './zone-chains.ts'

/**
 * A file for `nft -f` that puts the guard up with nobody in: what a boot unit loads. It creates the
 * table or fails: one that a daemon holds, with people in it, is not replaced.
 */
export const renderFile = (guard: Guard): string =>
  `${[`create table ${TABLE}`, ...definition(guard, new Set(), lentOf(guard)), ...lending(guard)].join('\n')}\n`

/** How the table is to be filled. */
export interface Filling {
  /** The names of sets for prefixes that are in use. */
  readonly declared: ReadonlySet<string>
  readonly commands: readonly string[]
  /** Ports are guarded for so long, in milliseconds; absent: for good. */
  readonly trial?: number | undefined
}

/**
 * The same on one line, which is one transaction, in the place of whatever is in the table: packets
 * see the old one or the new, never none.
 */
export function renderCommand(guard: Guard, { declared, commands, trial }: Filling): string {
  return [
    // `add` first, since deleting what is not there would fail.
    `add table ${TABLE}`,
    `delete table ${TABLE}`,
    ...definition(guard, declared, lentOf(guard, trial)),
    ...lending(guard, trial),
    ...commands,
  ].join('; ')
}

/** How the guard is to let go by itself, if it is. */
export function lentOf({ ifDead }: Guard, trial?: number): Lent | undefined {
  if (trial !== undefined) return { by: 'trial', left: trial }
  return ifDead === undefined ? undefined : { by: 'lease', left: ifDead }
}

function lending(guard: Guard, trial?: number): string[] {
  const lent = lentOf(guard, trial)
  return lent ? lendCommands(lent, portsOf(guard.zones)) : []
}

const definition = (
  { zones, allow, spaPorts }: Guard,
  declared: ReadonlySet<string>,
  lent: Lent | undefined,
): string[] => [
  `table ${TABLE} {`,
  ...(lent ? [lentDefinition(lent)] : []),
  ...zones.flatMap(zone => zoneSets(zone, declared)),
  ...zones.flatMap(zone => zoneChains(zone, declared)),
  ...guardChains(zones, allow, lent),
  ...leadBaseChains(zones, allow),
  ...knockSetsAndChains(spaPorts),
  '}',
]

function guardChains(
  zones: readonly Zone[],
  allow: readonly Network[],
  lent: Lent | undefined,
): string[] {
  if (zones.length === 0) return []
  const guarded = lent ? lentIn(lent, 'dport') : portIn('dport', portsOf(zones))
  const from = (zone: Zone) => zoneAddress(zone, 'saddr')
  const dropsOwn = judgesOut(zones) || zones.some(({ leads }) => leads.length > 0)
  const judged = (verdict: (zone: Zone) => string) =>
    zones.flatMap(zone =>
      zoneAddress(zone, 'daddr').map(
        match => `${portIn('dport', zone.ports)} ${match} ${verdict(zone)}`,
      ),
    )
  return [
    ...chain('judge', [
      ...addressIn('saddr', allow).map(match => `${match} accept`),
      // Every zone may admit before any drops, since two may hold the same address.
      ...judged(({ name }) => `jump ${name}`),
      ...zones.flatMap(refusals),
      ...judged(() => 'drop'),
    ]),
    // Before DNAT, so that the port is the one that was asked for, published or not.
    ...baseChain('guard', 'prerouting', 'mangle', ['iif lo accept', `${guarded} jump judge`]),
    // After SNAT, so that the port is the one that will be answered to.
    ...baseChain('own', 'postrouting', 'srcnat + 10', [
      'oif lo accept',
      ...(dropsOwn ? addressIn('daddr', allow) : []).map(match => `${match} accept`),
      ...zones.flatMap(zone =>
        from(zone).map(match => `${portIn('sport', zone.ports)} ${match} jump ${zone.name}_own`),
      ),
      ...outRules(zones, from, lent),
    ]),
  ]
}
