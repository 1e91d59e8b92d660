import type { Network } from '@oneknock/shared'
import { TABLE } from './elements.ts'
import { knockSetsAndChains } from './knock-chains.ts'
import { addressIn, baseChain, chain, portIn } from './text.ts'
import { zoneAddress, zoneChains, zoneSets } from './zone-chains.ts'
import { hasPort, type Zone } from './zones.ts'

/** All that the table depends on, apart from who is in just now. */
export interface Guard {
  readonly zones: readonly Zone[]
  /** Never locked out. */
  readonly allow: readonly Network[]
  /** Where knocks come in. */
  readonly spaPorts: readonly number[]
}

/** A file for `nft -f` that puts the guard up with nobody in: what a boot unit loads. */
export const renderFile = (guard: Guard): string => `${replacement(guard, new Set()).join('\n')}\n`

/**
 * The same on one line, which is one transaction, with sets for the prefixes that are in use and
 * the elements that belong in it.
 */
export const renderCommand = (
  guard: Guard,
  declared: ReadonlySet<string>,
  fill: readonly string[],
): string => [...replacement(guard, declared), ...fill].join('; ')

/** Takes the place of whatever is in the table: packets see the old one or the new, never none. */
const replacement = (
  { zones, allow, spaPorts }: Guard,
  declared: ReadonlySet<string>,
): string[] => [
  // `add` first, since deleting what is not there would fail.
  `add table ${TABLE}`,
  `delete table ${TABLE}`,
  `table ${TABLE} {`,
  ...zones.flatMap(zone => zoneSets(zone, declared)),
  ...zones.flatMap(zone => zoneChains(zone, declared)),
  ...guardChains(zones, allow),
  ...knockSetsAndChains(spaPorts),
  '}',
]

function guardChains(zones: readonly Zone[], allow: readonly Network[]): string[] {
  if (zones.length === 0) return []
  const all = zones.flatMap(({ ports }) => ports)
  const ports = all.filter((port, i) => !hasPort(all.slice(0, i), port))
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
      ...judged(() => 'drop'),
    ]),
    // Before DNAT, so that the port is the one that was asked for, published or not.
    ...baseChain('guard', 'prerouting', 'mangle', [
      'iif lo accept',
      `${portIn('dport', ports)} jump judge`,
    ]),
    // After SNAT, so that the port is the one that will be answered to.
    ...baseChain('own', 'postrouting', 'srcnat + 10', [
      'oif lo accept',
      ...zones.flatMap(zone =>
        zoneAddress(zone, 'saddr').map(
          match => `${portIn('sport', zone.ports)} ${match} jump ${zone.name}_own`,
        ),
      ),
    ]),
  ]
}
