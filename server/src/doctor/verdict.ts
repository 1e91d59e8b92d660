import {
  type Answer,
  allOf,
  holds,
  knownValue,
  type Match,
  matches,
  type Probe,
} from './matching.ts'
import type { Chain, Rule, Ruleset, Statement } from './ruleset.ts'

/** What becomes of a packet in a base chain, as far as its rules can be understood. */
export interface Fate {
  readonly verdict: 'accept' | 'drop'
  /** A rule before it, which may or may not be about this packet, says otherwise. */
  readonly perhapsNot: boolean
  /** `its policy`, or which rule. */
  readonly because: string
}

/** Chains may call each other as deep as the kernel allows (NFT_JUMP_STACK_SIZE). */
const DEPTH_MAX = 16

export function fateIn(chain: Chain, ruleset: Ruleset, probe: Probe): Fate {
  const walk = new Walk(ruleset, probe)
  const end = walk.through(chain, 0)
  const verdict = end?.verdict ?? (chain.policy === 'drop' ? 'drop' : 'accept')
  const because = end ? end.because : 'its policy'
  const perhapsNot = walk.perhaps.has(verdict === 'drop' ? 'accept' : 'drop')
  return { verdict, perhapsNot, because }
}

interface End {
  readonly verdict: 'accept' | 'drop'
  readonly because: string
}

type Verdict = 'accept' | 'drop' | 'return' | { readonly call: string; readonly back: boolean }

class Walk {
  /** Verdicts of rules that may be about the packet. */
  readonly perhaps = new Set<'accept' | 'drop'>()
  readonly #ruleset: Ruleset
  readonly #probe: Probe

  constructor(ruleset: Ruleset, probe: Probe) {
    this.#ruleset = ruleset
    this.#probe = probe
  }

  /** Where it surely ends; `undefined` if it goes on with whoever called. */
  through(chain: Chain, depth: number): End | undefined {
    if (depth > DEPTH_MAX) return undefined
    for (const rule of chain.rules) {
      const { verdict, applies } = judge(rule, this.#probe)
      if (!verdict || applies === 'no') continue
      const sure = applies === 'yes'
      if (verdict === 'return') {
        if (sure) return undefined
        continue
      }
      if (typeof verdict === 'string') {
        if (sure) return { verdict, because: `${chain.name}, handle ${rule.handle}` }
        this.perhaps.add(verdict)
        continue
      }
      const called = this.#find(chain, verdict.call)
      const end = called && this.through(called, depth + 1)
      if (sure && (end || !verdict.back)) return end
      if (!sure && end) this.perhaps.add(end.verdict)
    }
    return undefined
  }

  #find({ family, table }: Chain, name: string): Chain | undefined {
    return this.#ruleset.chains.find(
      other => other.family === family && other.table === table && other.name === name,
    )
  }
}

/** What a rule does, and whether to this packet. */
function judge(
  { statements }: Rule,
  probe: Probe,
): { verdict?: Verdict | undefined; applies: Answer } {
  const conditions: Answer[] = []
  for (const statement of statements) {
    if ('match' in statement) conditions.push(matches(statement.match as Match, probe))
    else if ('limit' in statement || 'ct count' in statement) conditions.push('maybe')
    else if ('xt' in statement && !isTarget(statement)) conditions.push('maybe')
    else if ('vmap' in statement) {
      const looked = lookUp(statement.vmap as VerdictMap, probe)
      return { verdict: looked.verdict, applies: allOf([...conditions, looked.applies]) }
    } else {
      const verdict = verdictOf(statement)
      if (verdict) return { verdict, applies: allOf(conditions) }
    }
  }
  return { applies: 'no' }
}

/** How iptables-nft passes on what nftables has no words for. */
const isTarget = ({ xt }: Statement): boolean => (xt as { type?: string }).type === 'target'

function verdictOf(statement: Statement): Verdict | undefined {
  if ('accept' in statement) return 'accept'
  if ('drop' in statement || 'reject' in statement) return 'drop'
  if ('return' in statement) return 'return'
  if ('xt' in statement)
    return (statement.xt as { name?: string }).name === 'REJECT' ? 'drop' : undefined
  for (const [name, back] of [
    ['jump', true],
    ['goto', false],
  ] as const) {
    const { target } = (statement[name] ?? {}) as { target?: string }
    if (target !== undefined) return { call: target, back }
  }
  return undefined
}

interface VerdictMap {
  readonly key: unknown
  readonly data: unknown
}

/** The first entry that is surely meant; else one that may be. */
function lookUp(
  { key, data }: VerdictMap,
  probe: Probe,
): { verdict?: Verdict | undefined; applies: Answer } {
  const { set } = (data ?? {}) as { set?: readonly [unknown, Statement][] }
  const value = knownValue(key, probe)
  if (!set || typeof value === 'symbol') return { applies: 'no' }
  let perhaps: Verdict | undefined
  for (const [element, statement] of set) {
    const held = value === undefined ? 'maybe' : holds(value, element)
    const verdict = verdictOf(statement)
    if (held === 'yes') return { verdict, applies: 'yes' }
    if (held === 'maybe') perhaps ??= verdict
  }
  return { verdict: perhaps, applies: perhaps ? 'maybe' : 'no' }
}
