import { ownCommand } from '../config/command.ts'
import { formatPort } from '../config/places.ts'
import type { Port, Protocol } from '../core/directory.ts'
import { type Finding, finding, fine } from './finding.ts'
import { parseElements, type Ruleset, type Statement } from './ruleset.ts'

const TABLE = 'inet oneknock'

export interface GuardWanted extends BootWanted {
  readonly ports: readonly Port[]
  /** The lease's elements as nft's JSON, where the guard has `if_dead`. */
  readonly lease: string | undefined
}

export interface BootWanted {
  /** The file that the boot unit loads, and what should stand in it. */
  readonly bootFile: string
  readonly bootText: string
  /** What stands there; `undefined` if nothing does, or if it may not be read. */
  readonly savedText: string | undefined
}

/** Whether the guard stands, for all that it should, and at the next boot. */
export function guardFindings(ruleset: Ruleset, wanted: GuardWanted): Finding[] {
  return [present(ruleset, wanted), atBoot(wanted)]
}

/** What there is of a guard: the ports of each zone; and whether it is there for a while only. */
export interface GuardSeen {
  readonly guarded: ReadonlyMap<string, readonly Port[]>
  readonly trial: number | undefined
}

/** The same for a guard of ipset, by what its rules name. */
export const setsFindings = (
  ports: readonly Port[],
  seen: GuardSeen | undefined,
  boot: BootWanted,
): Finding[] => [setsPresent(ports, seen), atBoot(boot)]

function setsPresent(ports: readonly Port[], seen: GuardSeen | undefined): Finding {
  const start = `start the daemon, or run: ${ownCommand('firewall apply')}`
  if (!seen) {
    return finding('guard', 'problem', 'there is no guard: what it should close is open', start)
  }
  if (seen.trial !== undefined) {
    const apply = `if all is well, run: ${ownCommand('firewall apply')}`
    return finding('guard', 'warning', 'the guard is on trial, or has let go', apply)
  }
  const closed = new Set([...seen.guarded.values()].flat().map(formatPort))
  const open = ports.map(formatPort).filter(port => !closed.has(port))
  if (open.length === 0) return fine('guard', `stands for ${[...closed].join(', ')}`)
  const found = `the guard does not close ${open.join(', ')}`
  return finding('guard', 'problem', found, `run: ${ownCommand('reload')}`)
}

/** A guard of a backend that the configuration does not name; `guarded`: it names another that has one. */
const former = (guarded: boolean): Finding =>
  finding(
    'guard',
    'problem',
    `that of a former backend stands${guarded ? ' as well' : ''}: what it closes stays closed, whoever knocks`,
    `run: ${ownCommand(guarded ? 'firewall apply' : 'firewall remove')}`,
  )

export const formerTable = ({ tables }: Ruleset, guarded: boolean): Finding[] =>
  tables.includes(TABLE) ? [former(guarded)] : []

export const formerSets = (seen: GuardSeen | undefined, guarded: boolean): Finding[] =>
  seen ? [former(guarded)] : []

function present(ruleset: Ruleset, { ports, lease }: GuardWanted): Finding {
  const start = `start the daemon, or run: ${ownCommand('firewall apply')}`
  if (!ruleset.tables.includes(TABLE)) {
    return finding('guard', 'problem', 'there is no guard: what it should close is open', start)
  }
  const guarded = guardedPorts(ruleset)
  if (guarded === 'trial') {
    const apply = `if all is well, run: ${ownCommand('firewall apply')}`
    return finding('guard', 'warning', 'the guard is on trial, or has let go', apply)
  }
  const closed = guarded === 'lease' ? leased(lease) : guarded
  if (guarded === 'lease' && closed.size === 0 && ports.length > 0) {
    const found = 'no daemon has lived for firewall.if_dead: the guard has let go, all is open'
    return finding('guard', 'problem', found, 'start the daemon: systemctl start oneknockd')
  }
  const open = ports.map(formatPort).filter(port => !closed.has(port))
  if (open.length === 0) {
    const until = guarded === 'lease' ? ', and lets go firewall.if_dead after its daemon dies' : ''
    return fine('guard', `stands for ${[...closed].join(', ')}${until}`)
  }
  const found = `the guard does not close ${open.join(', ')}`
  return finding('guard', 'problem', found, `run: ${ownCommand('reload')}`)
}

/** As the rule names them that leads to the judging. */
function guardedPorts({ chains }: Ruleset): Set<string> | 'trial' | 'lease' {
  const chain = chains.find(({ table, name }) => table === 'oneknock' && name === 'guard')
  const judged = chain?.rules.find(({ statements }) => statements.some(one => 'jump' in one))
  const match = judged?.statements.find((one): one is Statement => 'match' in one)?.match
  const { right } = (match ?? {}) as { right?: unknown }
  if (right === '@lease') return 'lease'
  if (typeof right === 'string') return 'trial'
  const { set = [] } = (right ?? {}) as { set?: readonly { concat?: [Protocol, number] }[] }
  return new Set(
    set.flatMap(({ concat }) =>
      concat ? formatPort({ protocol: concat[0], port: concat[1] }) : [],
    ),
  )
}

function leased(lease: string | undefined): Set<string> {
  const elements = lease === undefined ? [] : parseElements(lease)
  return new Set(
    elements.map(([protocol, port]) => formatPort({ protocol: protocol as Protocol, port })),
  )
}

function atBoot({ bootFile, bootText, savedText }: BootWanted): Finding {
  const apply = `run: ${ownCommand('firewall apply')}`
  if (savedText === undefined) {
    const found = `nothing is saved in ${bootFile}: until the daemon is up, all is open`
    return finding('guard at boot', 'warning', found, `${apply}, and enable oneknock-guard.service`)
  }
  if (savedText === bootText)
    return fine('guard at boot', `${bootFile} is what the configuration says`)
  return finding('guard at boot', 'warning', `${bootFile} is of an older configuration`, apply)
}
