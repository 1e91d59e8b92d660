import type { Protocol } from '../core/directory.ts'

/** A packet that might come: from anywhere outside, so of its source nothing is known. */
export interface Probe {
  readonly family: 4 | 6
  readonly protocol: Protocol
  readonly port: number
  /** What connection tracking makes of it. */
  readonly state: 'new' | 'untracked'
  /** Whether it is for this host, or only passes through. */
  readonly to: 'here' | 'elsewhere'
  /** Whom it has been translated for, if it has. */
  readonly host?: string | undefined
}

export type Answer = 'yes' | 'no' | 'maybe'

type Expression = Readonly<Record<string, unknown>>

export interface Match {
  readonly op: string
  readonly left: unknown
  readonly right: unknown
}

/** Whether a rule's condition holds for this packet. What is not understood may or may not. */
export function matches({ op, left, right }: Match, probe: Probe): Answer {
  const value = knownValue(left, probe)
  // A rule about ICMP says nothing of TCP, however it is negated.
  if (value === NEVER) return 'no'
  if (value === undefined) return comesFromOutside(left, right, op)
  const held = holds(value, right)
  if (op === '==' || op === 'in') return held
  if (op === '!=') return held === 'maybe' ? held : held === 'yes' ? 'no' : 'yes'
  return 'maybe'
}

const NEVER = Symbol('another kind of packet')
type Value = string | number | readonly (string | number)[]

/** What the expression is for this packet; `undefined` if that is not known. */
export function knownValue(left: unknown, probe: Probe): Value | typeof NEVER | undefined {
  if (typeof left !== 'object' || left === null) return undefined
  const { payload, meta, ct, fib, concat } = left as Record<string, Expression | unknown[]>
  if (Array.isArray(concat)) return concatenated(concat, probe)
  if (payload) return inPayload(payload as Expression, probe)
  if (ct) return inTracking(ct as Expression, probe)
  if (fib) return inFib(fib as Expression, probe)
  switch ((meta as Expression | undefined)?.key) {
    case 'l4proto':
      return probe.protocol
    case 'nfproto':
      return `ipv${probe.family}`
    default:
      return undefined
  }
}

const NETWORK = { 4: 'ip', 6: 'ip6' } as const

function inPayload({ protocol, field }: Expression, probe: Probe) {
  switch (protocol) {
    case 'tcp':
    case 'udp':
    case 'th':
      if (protocol !== 'th' && protocol !== probe.protocol) return NEVER
      return field === 'dport' ? probe.port : undefined
    case 'ip':
    case 'ip6':
      if (protocol !== NETWORK[probe.family]) return NEVER
      if (field === 'daddr') return probe.host
      return field === 'protocol' || field === 'nexthdr' ? probe.protocol : undefined
    case 'ether':
    case 'vlan':
      return undefined
    default:
      return NEVER
  }
}

function inTracking({ key }: Expression, { state, host }: Probe) {
  if (key === 'state') return state
  return key === 'status' && host !== undefined ? 'dnat' : undefined
}

function inFib({ result, flags }: Expression, { to }: Probe) {
  const ofDestination = result === 'type' && Array.isArray(flags) && flags.includes('daddr')
  return ofDestination && to === 'here' ? 'local' : undefined
}

function concatenated(parts: readonly unknown[], probe: Probe): Value | typeof NEVER | undefined {
  const values = parts.map(part => knownValue(part, probe))
  if (values.includes(NEVER)) return NEVER
  return values.every(value => typeof value === 'string' || typeof value === 'number')
    ? (values as (string | number)[])
    : undefined
}

/** It does not come in over the loopback interface; which one it is nobody knows. */
function comesFromOutside(left: unknown, right: unknown, op: string): Answer {
  const { meta } = (left ?? {}) as { meta?: { key?: string } }
  const isInterface = meta?.key === 'iif' || meta?.key === 'iifname'
  if (!isInterface || right !== 'lo') return 'maybe'
  return op === '!=' ? 'yes' : 'no'
}

/** Whether a value is what the right side names, or one of it. */
export function holds(value: Value, right: unknown): Answer {
  if (typeof right === 'string' && right.startsWith('@')) return 'maybe'
  if (typeof right === 'string' || typeof right === 'number') return value === right ? 'yes' : 'no'
  // A mask of flags, such as the states of a connection.
  if (Array.isArray(right)) return right.includes(value) ? 'yes' : 'no'
  const { set, range, concat } = (right ?? {}) as Record<string, unknown>
  if (Array.isArray(set)) return anyOf(set.map(element => holds(value, element)))
  if (Array.isArray(range) && typeof value === 'number') {
    const [from, to] = range as [unknown, unknown]
    if (typeof from !== 'number' || typeof to !== 'number') return 'maybe'
    return from <= value && value <= to ? 'yes' : 'no'
  }
  if (Array.isArray(concat) && Array.isArray(value)) {
    return allOf(concat.map((part, i) => holds(value[i] ?? '', part)))
  }
  return 'maybe'
}

const anyOf = (answers: readonly Answer[]): Answer => {
  if (answers.includes('yes')) return 'yes'
  return answers.includes('maybe') ? 'maybe' : 'no'
}

export const allOf = (answers: readonly Answer[]): Answer => {
  if (answers.includes('no')) return 'no'
  return answers.includes('maybe') ? 'maybe' : 'yes'
}
