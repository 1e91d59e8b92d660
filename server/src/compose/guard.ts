import type { Config } from '../config.ts'
import { systemClock } from '../core/clock.ts'
import type { Listing } from '../hooks/guard/kernel.ts'
import { findProgram, run } from '../hooks/guard/program.ts'
import type { Trial } from '../hooks/guard/trial-clock.ts'
import { zonesOf } from '../hooks/guard/zones.ts'
import { HookError } from '../hooks/hook.ts'
import { renderScript } from '../hooks/ipset/boot-script.ts'
import { IpsetKernel } from '../hooks/ipset/kernel.ts'
import { systemPrograms } from '../hooks/ipset/programs.ts'
import { IpsetHook } from '../hooks/ipset.ts'
import { errorOf } from '../hooks/nftables/answer.ts'
import { TABLE } from '../hooks/nftables/elements.ts'
import { printTable } from '../hooks/nftables/nft.ts'
import { runOnce } from '../hooks/nftables/one-shot.ts'
import { renderFile } from '../hooks/nftables/ruleset.ts'
import { NftablesHook } from '../hooks/nftables.ts'

/** The guard for commands that are run while no daemon keeps it up. */

/** Milliseconds for one command of nft: whoever takes longer hangs. */
const LIMIT = 10_000

/** What the boot unit loads: the guard with nobody in, for nft or for a shell. */
export function renderGuard(config: Config): string {
  const guard = { ...guardOf(config), zones: zonesOf([...config.services.values()]) }
  return config.firewall.backend === 'ipset' ? renderScript(guard) : renderFile(guard)
}

/**
 * Puts the guard up, beside whoever is connected and whoever an earlier table let in, and leaves it
 * there. It closes what nobody has opened; only a daemon opens.
 */
export async function putUp(config: Config, trial: Trial): Promise<void> {
  const services = [...config.services.values()]
  const users = new Map()
  const report = () => {}
  const parts = { ...guardOf(config), services, users, clock: systemClock, report, trial }
  const hook = config.firewall.backend === 'ipset' ? new IpsetHook(parts) : new NftablesHook(parts)
  await hook.start()
  await hook.stop()
}

/** The kinds of rules that a guard may be made of. */
export const GUARD_KINDS = ['nftables', 'ipset'] as const
export type GuardKind = (typeof GUARD_KINDS)[number]

export const isGuardKind = (backend: string): backend is GuardKind =>
  GUARD_KINDS.some(kind => kind === backend)

export const otherKind = (kind: GuardKind): GuardKind => (kind === 'ipset' ? 'nftables' : 'ipset')

/** Takes a guard of this kind away with all that is in it; whether it was there. */
export async function takeAway(kind: GuardKind): Promise<boolean> {
  if (kind === 'ipset') return takeSetsAway()
  if ((await printTable(command => nft(command, ['--terse']))) === undefined) return false
  await nft(`delete table ${TABLE}`)
  return true
}

/** The same for a kind that the configuration does not name, and whose programs there need not be. */
export async function takeFormerAway(kind: GuardKind): Promise<boolean> {
  try {
    return await takeAway(kind)
  } catch (error) {
    if (error instanceof HookError && error.code === 'unavailable') return false
    throw error
  }
}

async function takeSetsAway(): Promise<boolean> {
  const kernel = new IpsetKernel(systemPrograms, [])
  if ((await kernel.rules()) === undefined) return false
  const nothing = { zones: [], allow: [], spaPorts: [] }
  await kernel.replace(nothing, { open: [], live: [], cut: [], trial: undefined })
  return true
}

/** What the sets and chains that are there guard for these services; `undefined` without any. */
export async function readSetsGuard({ services }: Config): Promise<Listing | undefined> {
  return new IpsetKernel(systemPrograms, zonesOf([...services.values()])).list()
}

/** All rules of this network namespace, as nft's JSON; `undefined` where there is no nft. */
export async function readRuleset(): Promise<string | undefined> {
  const program = findProgram('nft')
  if (!program) return undefined
  const ran = await run(program, ['--json', '--terse', 'list', 'ruleset'], LIMIT)
  if (ran.kind === 'ended' && ran.status === 0) return ran.stdout
  throw new HookError('nftables', 'unavailable', ran.kind === 'ended' ? ran.stderr : ran.kind)
}

/** Whether flows that were translated can be forgotten, which takes a program of its own. */
export const hasConntrack = (): boolean => findProgram('conntrack') !== undefined

/** The ports that a guard with `if_dead` still holds, as nft's JSON; `undefined` without such a one. */
export async function readLease(): Promise<string | undefined> {
  const program = findProgram('nft')
  if (!program) return undefined
  const ran = await run(program, ['--json', 'list', 'set', ...TABLE.split(' '), 'lease'], LIMIT)
  return ran.kind === 'ended' && ran.status === 0 ? ran.stdout : undefined
}

const guardOf = ({ firewall, listen }: Config) => ({
  allow: firewall.allow,
  spaPorts: [...new Set(listen.map(({ port }) => port))],
  ifDead: firewall.ifDead,
})

async function nft(command: string, flags: readonly string[] = []): Promise<string> {
  const program = findProgram('nft')
  if (!program) throw new HookError('nftables', 'unavailable', 'nft is not installed')
  const answer = await runOnce(program, command, LIMIT, flags)
  if (answer.kind === 'done') return answer.output
  throw errorOf(answer)
}
