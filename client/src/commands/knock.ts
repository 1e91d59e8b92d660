import { type CodeFlags, codeSource, obtainFactor } from '../codes.ts'
import { EXIT, type Exit } from '../exit.ts'
import { type KnockEvent, type KnockOptions, knock } from '../index.ts'
import { say, sayJson, warn } from '../output.ts'
import { clockWarning, jsonReport, type Knocked, report } from '../report.ts'
import type { Unlocked } from '../unlocking.ts'
import { type AskFlags, readAsk } from './ask.ts'
import { answerFailure, mustLoad, mustUnlock } from './load.ts'

export interface KnockFlags extends AskFlags, CodeFlags {
  readonly json?: boolean
}

export async function knockCommand(
  name: string,
  services: readonly string[],
  flags: KnockFlags,
): Promise<Exit> {
  const loaded = mustLoad(name)
  // Before anything is asked for: a person types it for nothing only once.
  const options = readAsk(loaded, services, flags)
  const profile = await mustUnlock(name, loaded)
  const factor = await obtainFactor(codeSource(flags, profile), name)
  if (!factor.ok) throw answerFailure(factor.error)
  return knockAndTell(name, profile, { ...options, factor: factor.value }, flags.json === true)
}

export async function closeCommand(
  name: string,
  services: readonly string[],
  flags: Pick<KnockFlags, 'json'>,
): Promise<Exit> {
  const loaded = mustLoad(name)
  const options: KnockOptions = { ...readAsk(loaded, services, {}), verb: 'close' }
  const profile = await mustUnlock(name, loaded)
  return knockAndTell(name, profile, options, flags.json === true)
}

async function knockAndTell(
  name: string,
  profile: Unlocked,
  options: KnockOptions,
  json: boolean,
): Promise<Exit> {
  const { host, port, key } = profile
  const knocked: Knocked = { name, host, port, verb: options.verb ?? 'open' }
  const result = await knock(
    { host, port, key },
    { ...options, on: event => tellOfWaiting(event, knocked, json) },
  )
  const warning = clockWarning(result)
  if (warning) warn(`warning: ${warning}`)
  const { exit, line } = report(result, knocked)
  if (json) sayJson(jsonReport(result, knocked))
  else if (exit === EXIT.opened) say(line)
  else warn(line)
  return exit
}

/** The one event worth a line: from here on it is up to somebody else. */
function tellOfWaiting(event: KnockEvent, { name }: Knocked, json: boolean): void {
  if (event.type !== 'reply' || event.status !== 'pending') return
  const { status, detail } = event
  if (json) sayJson({ target: name, status, detail })
  else warn(`waiting for somebody to approve${detail && ` (${detail})`}; ^C stops waiting`)
}
