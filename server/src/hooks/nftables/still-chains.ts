import type { Zone } from '../guard/zones.ts'
import { goesOut } from './cut-chains.ts'
import { openSetName } from './elements.ts'
import { chain, masked, portIn, SIDES, type Side } from './text.ts'
import { type Lent, lentIn } from './trial.ts'

/*
 * Where flows must not outlive a grant, a server that does not know of its end goes on sending: one
 * of UDP, one in a container, whose socket nobody here can reset, any at all if no daemon is alive
 * to do it. So what leaves such a port is judged as well, and by the same sets: their elements end
 * by the kernel's clock.
 */

/** Whether anything is judged on its way out. Ports that lead elsewhere see to it themselves: `leads`. */
export const judgesOut = (zones: readonly Zone[]): boolean => zones.some(endsHere)

const endsHere = ({ leads, cutPorts }: Zone): boolean => leads.length === 0 && cutPorts.length > 0

/** What leaves passes where this zone's doors are open, or if this host, or a kept port, began it. */
export function stillChain(zone: Zone, prefixes: (side: Side) => readonly number[]): string[] {
  if (zone.leads.length > 0) return []
  const rules = SIDES.flatMap(side => [
    ...prefixes(side).map(prefix => stillRule(zone, side, prefix)),
    goesOut(zone, side),
  ])
  return chain(stillName(zone), rules)
}

/** What a prefix length that comes into use adds: to which chain, and which rule. */
export const stillRules = (zone: Zone, side: Side, prefix: number): [string, string][] =>
  zone.leads.length > 0 ? [] : [[stillName(zone), stillRule(zone, side, prefix)]]

const stillRule = (zone: Zone, side: Side, prefix: number): string =>
  `${masked(side, prefix, 'daddr')} . meta l4proto . th sport @${openSetName(zone.name, side.family, prefix)} accept`

const stillName = ({ name }: Zone): string => `${name}_still`

/**
 * For packets that are leaving, by the port that will be answered to. A reset says nothing but that
 * it is over. Every zone may let pass before any drops, as on the way in.
 */
export function outRules(
  zones: readonly Zone[],
  from: (zone: Zone) => readonly string[],
  lent: Lent | undefined,
): string[] {
  if (!judgesOut(zones)) return []
  const here = zones.filter(({ leads }) => leads.length === 0)
  // A guard that has let go judges nobody, in either direction.
  const guarded = lent ? `${lentIn(lent, 'sport')} ` : ''
  return [
    'tcp flags & rst == rst accept',
    ...here.flatMap(zone =>
      from(zone).map(match => `${portIn('sport', zone.ports)} ${match} jump ${stillName(zone)}`),
    ),
    ...here
      .filter(endsHere)
      .flatMap(zone =>
        from(zone).map(match => `${guarded}${portIn('sport', zone.cutPorts)} ${match} drop`),
      ),
  ]
}
