import { PROTOCOL } from '@oneknock/shared'
import { lookBehind } from '../doctor/behind.ts'
import { examine } from '../doctor/examine.ts'
import { type Finding, failure, fine, warning } from '../doctor/finding.ts'
import { instrumentsFor } from '../doctor/instruments.ts'
import { EXIT, type Exit, Failure } from '../exit.ts'
import { say, sayJson } from '../output.ts'
import { type Endpoint, parseEndpoint } from '../probe.ts'
import { loadProfile, type ProfileError, profilePath, profilesFolder } from '../profiles.ts'
import { quote } from '../quote.ts'
import type { Unlocked } from '../unlocking.ts'
import { type KnockerFlags, passageTo } from './knocker.ts'

export interface DoctorFlags extends KnockerFlags {
  readonly knock?: boolean
  readonly port?: string
}

/** The first Node whose makers still mend it. */
const NODE_KEPT = 22

/** Says what it finds as it finds it; a silent server takes its time. */
export async function doctorCommand(
  name: string,
  flags: DoctorFlags,
  version: string,
): Promise<Exit> {
  const endpoint = readPort(flags.port)
  const findings: Finding[] = []
  for await (const finding of look(name, flags, version, endpoint)) {
    findings.push(finding)
    if (!flags.json) tell(finding)
  }
  if (flags.json) sayJson({ target: name, findings: findings.map(({ exit: _, ...said }) => said) })
  return findings.find(({ status }) => status === 'fail')?.exit ?? EXIT.opened
}

async function* look(
  name: string,
  flags: DoctorFlags,
  version: string,
  endpoint: Endpoint | undefined,
): AsyncGenerator<Finding> {
  yield versionFinding(version)
  const loaded = loadProfile(profilesFolder(), name)
  if (!loaded.ok) return yield unreadable(loaded.error, name)
  const knocker = await passageTo(name, [], flags).knocker()
  const { profile } = knocker
  yield profileFinding(name, profile, loaded.value.key.kind === 'sealed')
  const instruments = instrumentsFor(profile)
  let isWell = true
  for await (const finding of examine({ name, profile }, instruments)) {
    isWell &&= finding.status !== 'fail'
    yield finding
  }
  if (isWell && (await wantsKnock(name, flags))) {
    yield* lookBehind(knocker, endpoint, instruments)
  }
}

function readPort(text: string | undefined): Endpoint | undefined {
  const endpoint = text === undefined ? undefined : parseEndpoint(text)
  if (text === undefined || endpoint) return endpoint
  throw new Failure(EXIT.usage, `--port ${quote(text)}: give HOST:PORT`)
}

/** Aligned, in words, so that it can be read without colours and pasted into a mail. */
function tell({ check, status, what, next }: Finding): void {
  say(`${status.padEnd(4)}  ${check.padEnd(7)}  ${what}`)
  if (next) say(`      ${''.padEnd(7)}  → ${next}`)
}

function versionFinding(version: string): Finding {
  const line = `oneknock ${version}, protocol ${PROTOCOL}, Node ${process.version}`
  const major = Number(/^v(\d+)/.exec(process.version)?.[1])
  return major >= NODE_KEPT
    ? fine('version', line)
    : warning('version', line, `Node ${major} gets no fixes any more: install 22 or 24`)
}

const unreadable = ({ message, code }: ProfileError, name: string): Finding => {
  const isNone = code === 'bad-name' || code === 'unknown-target'
  return failure(
    'profile',
    code === 'bad-name' ? EXIT.usage : EXIT.profile,
    message,
    isNone
      ? 'name one of those that there are: oneknock list'
      : `put that right, and look again: oneknock doctor ${name}`,
  )
}

function profileFinding(name: string, { totpSecret }: Unlocked, isSealed: boolean): Finding {
  const file = profilePath(profilesFolder(), name)
  if (isSealed) return fine('profile', `${file} is yours alone, and its key sealed`)
  const line = `${file} is yours alone, and its key not sealed`
  return totpSecret === undefined
    ? fine('profile', line)
    : warning(
        'profile',
        `${line}: with the secret for codes beside it, who reads it needs nothing else`,
        `unless this is a machine that nobody tends: oneknock lock ${name}, or let --otp-command ask a token`,
      )
}

async function wantsKnock(name: string, { knock, json }: DoctorFlags): Promise<boolean> {
  if (knock || json) return knock === true
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    say(`the rest takes a code: oneknock doctor ${name} --knock --port HOST:PORT`)
    return false
  }
  const { askTerminal } = await import('../terminal.ts')
  const asked = await askTerminal('The rest takes a code. Knock now? (y/N) ', 'plain')
  return asked.ok && /^y(es)?$/i.test(asked.value.trim())
}
