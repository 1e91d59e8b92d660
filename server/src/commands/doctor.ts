import { existsSync, readFileSync } from 'node:fs'
import type { GuardView } from '../administration/views.ts'
import {
  hasConntrack,
  isGuardKind,
  readLease,
  readRuleset,
  readSetsGuard,
  renderGuard,
} from '../compose/guard.ts'
import { NO_ORDER } from '../compose/helper.ts'
import { ownCommand } from '../config/command.ts'
import { type Config, loadConfig } from '../config.ts'
import { askDaemon } from '../control.ts'
import { RECEIVE_BUFFER_BYTES } from '../core/limits.ts'
import { approvalFindings } from '../doctor/approvals.ts'
import { flowOffload, otherChains } from '../doctor/chains.ts'
import { doorFindings } from '../doctor/door.ts'
import { type Finding, finding, fine, type State } from '../doctor/finding.ts'
import { forwarding, tracking } from '../doctor/forwarding.ts'
import { formerSets, formerTable, guardFindings, setsFindings } from '../doctor/guard.ts'
import { helperFindings } from '../doctor/helper.ts'
import { clock, disk, ledgerClock, receiveBuffer } from '../doctor/host.ts'
import { linkFindings } from '../doctor/links.ts'
import { modes } from '../doctor/modes.ts'
import { ask, complaints } from '../doctor/programs.ts'
import { resets } from '../doctor/resets.ts'
import { parseRuleset } from '../doctor/ruleset.ts'
import { wantedOf } from '../doctor/wanted.ts'
import { systemFiles } from '../ledger/files.ts'
import { readEntries } from '../ledger/read.ts'
import { ledgerFolder, recollect } from '../recollect.ts'
import { loadDirectory } from '../users.ts'
import { bootFile } from './firewall.ts'
import { colourAllowed, print, printJson } from './output.ts'
import { hanging, terminalColumns } from './table.ts'

export interface DoctorOptions {
  readonly config: string
  readonly json?: boolean
}

/**
 * Looks for what would make an opened door stay shut, or a closed one open, and says what to do.
 * Status 1 if something is. As root it sees most.
 */
export async function doctor(options: DoctorOptions): Promise<number> {
  const config = await loadConfig(options.config)
  const findings = [
    ...(await files(options.config)),
    ...(config.ok ? await ofConfig(config.value) : []),
    await clock(),
    await receiveBuffer(RECEIVE_BUFFER_BYTES),
    ...linkFindings(await ask('ip', '-json', '-details', 'link')),
  ]
  if (options.json) printJson(findings)
  else print(findings.map(shown).join(''))
  return findings.some(({ state }) => state === 'problem') ? 1 : 0
}

/** A process of its own, which becomes whoever owns the files: what it cannot read the daemon cannot. */
async function files(config: string): Promise<Finding[]> {
  const lines = await complaints(process.execPath, process.argv[1]!, '--config', config, 'check')
  if (lines.length === 0) return [fine('configuration', `${config} is right`)]
  return lines.map(line =>
    finding(
      'configuration',
      'problem',
      line.replace(/^oneknockd: /, ''),
      `put it right, then run: ${ownCommand('check')}`,
    ),
  )
}

async function ofConfig(config: Config): Promise<Finding[]> {
  const ledger = ledgerFolder(config.state)
  return [
    ...modes({
      configFile: config.file,
      usersFolder: config.usersFolder,
      state: config.state,
      ledger,
      groupPasses: config.adminGroup !== undefined,
    }),
    await disk(existsSync(ledger) ? ledger : config.state),
    ...(await daemon(config)),
    ...(await helperFindings(config.services.values(), config.helperSocket, NO_ORDER)),
    ...doorFindings(config.http, Date.now()),
    ...(await approval(config)),
    ...(await setsGuard(config)),
    ...(await firewall(config)),
    ...(isGuardKind(config.firewall.backend) ? [await resets()] : []),
    ...forwarding(config.services.values()),
    ...tracking(config.services.values(), hasConntrack()),
    ...ledgerClock(await lastAt(config), Date.now(), config.freshness),
  ]
}

async function daemon({ state }: Config): Promise<Finding[]> {
  try {
    const status = await askDaemon(state, { command: 'status' })
    if (status !== undefined) return [fine('daemon', 'runs'), ...letGo(status as Guarding)]
    const start = `systemctl start oneknockd, or: ${ownCommand('run')}`
    return [finding('daemon', 'problem', `none runs on ${state}, so nothing opens`, start)]
  } catch (error) {
    return [finding('daemon', 'unknown', (error as Error).message, 'run as root')]
  }
}

interface Guarding {
  readonly guard: GuardView
}

function letGo({ guard: { guard } }: Guarding): Finding[] {
  if (guard !== 'let go') return []
  const found = 'its trial ran out: nothing is guarded, all is open'
  return [finding('guard', 'problem', found, `run: ${ownCommand('firewall apply')}`)]
}

/** Users that cannot be read are `check`'s business. */
async function approval(config: Config): Promise<Finding[]> {
  const directory = await loadDirectory(config)
  return directory.ok ? approvalFindings({ ...config, directory: directory.value }) : []
}

/** Of a guard of ipset, whether nft is there or not. */
async function setsGuard(config: Config): Promise<Finding[]> {
  const { backend } = config.firewall
  if (backend !== 'ipset') {
    const seen = await readSetsGuard(config).catch(() => undefined)
    return formerSets(seen, isGuardKind(backend))
  }
  const ports = [...config.services.values()].flatMap(service => service.ports)
  try {
    return setsFindings(ports, await readSetsGuard(config), bootWanted(config))
  } catch (error) {
    const found = error instanceof Error ? error.message : 'its rules may not be seen'
    return [finding('guard', 'unknown', found, 'run as root, with ipset and iptables installed')]
  }
}

async function firewall(config: Config): Promise<Finding[]> {
  let text: string | undefined
  try {
    text = await readRuleset()
  } catch {
    return [finding('firewall', 'unknown', 'its rules may not be seen', 'run as root')]
  }
  const { backend } = config.firewall
  const guarded = backend === 'nftables'
  if (text === undefined) {
    const found = 'nft is not installed, so its rules cannot be seen'
    return [finding('firewall', guarded ? 'problem' : 'unknown', found, 'install nftables')]
  }
  const ruleset = parseRuleset(text)
  return [
    ...(guarded ? guardFindings(ruleset, await guardWanted(config)) : []),
    ...(guarded ? [] : formerTable(ruleset, isGuardKind(backend))),
    ...otherChains(ruleset, wantedOf(config)),
    ...flowOffload(ruleset),
    ...legacyTables(),
  ]
}

async function guardWanted(config: Config) {
  return {
    ports: [...config.services.values()].flatMap(({ ports }) => ports),
    lease: config.firewall.ifDead === undefined ? undefined : await readLease(),
    ...bootWanted(config),
  }
}

function bootWanted(config: Config) {
  const file = bootFile(config)
  return { bootFile: file, bootText: renderGuard(config), savedText: read(file) }
}

/** The rules of the older kernel interface are not in nft's listing. */
function legacyTables(): Finding[] {
  const tables = ['ip_tables_names', 'ip6_tables_names'].map(
    name => read(`/proc/net/${name}`) ?? '',
  )
  if (tables.every(text => text.trim() === '')) return []
  const found = 'there are rules of iptables-legacy, which are not looked at here'
  return [
    finding(
      'other chains',
      'unknown',
      found,
      'see iptables-legacy-save; better move them to iptables-nft',
    ),
  ]
}

/** When the last line of the ledger was written. */
async function lastAt({ state, freshness }: Config): Promise<number | undefined> {
  const recalled = await recollect(state, freshness)
  if (!recalled.ok) return undefined
  const { seq } = recalled.value.head
  for await (const entry of readEntries(ledgerFolder(state), systemFiles, { fromSeq: seq })) {
    return entry.ok ? entry.value.at : undefined
  }
  return undefined
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

const COLOURS: Readonly<Record<State, number>> = { fine: 32, warning: 33, problem: 31, unknown: 36 }
const WIDTH = Math.max(...Object.keys(COLOURS).map(state => state.length))

function shown({ check, state, found, remedy }: Finding): string {
  const painted = process.stdout.isTTY && colourAllowed()
  const mark = state.padEnd(WIDTH)
  const coloured = painted ? `\x1b[${COLOURS[state]}m${mark}\x1b[0m` : mark
  const indent = WIDTH + 2
  const beside = (text: string) => hanging(text, terminalColumns(), indent)
  const advice = remedy === undefined ? '' : `\n${' '.repeat(indent)}${beside(remedy)}`
  return `${coloured}  ${beside(`${check}: ${found}`)}${advice}\n`
}
