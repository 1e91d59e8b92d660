import { type Address, familyOf } from '@oneknock/shared'
import type { Port } from '../core/directory.ts'
import { type Finding, finding, fine } from './finding.ts'
import type { Probe } from './matching.ts'
import type { Chain, Ruleset } from './ruleset.ts'
import { type Fate, fateIn } from './verdict.ts'

/** What must get through every other chain once the door is open. */
export interface Wanted {
  /** In words: `tcp/22`, `knocks at udp/62201`. */
  readonly what: string
  readonly port: Port
  readonly to: Probe['to']
  readonly state: Probe['state']
  /** A host behind this one that it has been translated for: of its family alone. */
  readonly host?: Address | undefined
}

const OWN = 'oneknock'
const FAMILIES = { 4: ['ip', 'inet', 'netdev'], 6: ['ip6', 'inet', 'netdev'] } as const
/** What a packet passes on its way in. */
const HOOKS = {
  here: ['ingress', 'prerouting', 'input'],
  elsewhere: ['ingress', 'prerouting', 'forward'],
}

/** Chains of others that drop what an opened door lets through. */
export function otherChains(ruleset: Ruleset, wanted: readonly Wanted[]): Finding[] {
  const shut = wanted.flatMap(want => shutFor(ruleset, want))
  return shut.length > 0 ? shut : [fine('other chains', 'none drops what oneknock lets through')]
}

interface Shut {
  readonly chain: Chain
  readonly fate: Fate
  readonly families: number[]
}

function shutFor(ruleset: Ruleset, want: Wanted): Finding[] {
  const shut = new Map<string, Shut>()
  for (const family of [4, 6] as const) {
    const { host } = want
    if (host !== undefined && familyOf(host) !== family) continue
    const probe = { ...want.port, family, state: want.state, to: want.to, host }
    for (const chain of baseChains(ruleset, want, family)) {
      const fate = fateIn(chain, ruleset, probe)
      if (fate.verdict !== 'drop') continue
      const key = `${nameOf(chain)} ${fate.because} ${fate.perhapsNot}`
      const known = shut.get(key)
      if (known) known.families.push(family)
      else shut.set(key, { chain, fate, families: [family] })
    }
  }
  return [...shut.values()].map(one => describe(one, want))
}

function baseChains({ chains }: Ruleset, { to, host }: Wanted, family: 4 | 6): Chain[] {
  const families: readonly string[] = FAMILIES[family]
  const hooks = host === undefined ? HOOKS[to] : ['forward']
  return chains.filter(
    ({ family, table, type, hook = '' }) =>
      families.includes(family) && table !== OWN && type === 'filter' && hooks.includes(hook),
  )
}

const nameOf = ({ family, table, name }: Chain): string => `${family} ${table} ${name}`

function describe({ chain, fate, families }: Shut, want: Wanted): Finding {
  const only = families.length === 1 ? ` over IPv${families[0]}` : ''
  const { because, perhapsNot } = fate
  const who = perhapsNot ? ' for all but some' : ''
  const found = `chain ${nameOf(chain)} drops ${want.what}${only}${who} (${because})`
  return finding('other chains', perhapsNot ? 'warning' : 'problem', found, remedyFor(chain, want))
}

/** In the words of whoever made the chain: a rule behind their back would not last. */
function remedyFor({ family, table, name }: Chain, { port, what, host }: Wanted): string {
  const { protocol, port: number } = port
  const let_in = `let ${what} pass there, oneknock closes it`
  if (table === 'firewalld') {
    return `${let_in}: firewall-cmd --permanent --add-port=${number}/${protocol} && firewall-cmd --reload`
  }
  if (host !== undefined) return remedyForHost({ family, table, name }, let_in, port, host)
  const isIptables = /^[A-Z]+$/.test(name)
  if (isIptables) {
    const program = family === 'ip6' ? 'ip6tables' : 'iptables'
    return `${let_in}: ufw allow ${number}/${protocol}, or ${program} -I ${name} -p ${protocol} --dport ${number} -j ACCEPT`
  }
  return `${let_in}: nft insert rule ${family} ${table} ${name} ${protocol} dport ${number} accept`
}

/** For that host alone: others behind this one are not to be reached by it. */
function remedyForHost(
  { family, table, name }: Pick<Chain, 'family' | 'table' | 'name'>,
  let_in: string,
  { protocol, port }: Port,
  host: Address,
): string {
  if (/^[A-Z]+$/.test(name)) {
    const program = family === 'ip6' ? 'ip6tables' : 'iptables'
    const rule = `${program} -I ${name} -d ${host} -p ${protocol} --dport ${port} -j ACCEPT`
    return `${let_in}: ufw route allow proto ${protocol} to ${host} port ${port}, or ${rule}`
  }
  const ip = familyOf(host) === 6 ? 'ip6' : 'ip'
  return `${let_in}: nft insert rule ${family} ${table} ${name} ${ip} daddr ${host} ${protocol} dport ${port} accept`
}

/** What passes by all chains, so by the guard too. */
export function flowOffload({ flowtables }: Ruleset): Finding[] {
  return flowtables.map(name =>
    finding(
      'flow offload',
      'warning',
      `flowtable ${name}: connections in it pass by the guard, and cannot be cut`,
      'leave guarded ports out of the rule with "flow add", or do without the flowtable',
    ),
  )
}
