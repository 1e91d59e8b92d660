import { EXIT, type Exit, Failure } from '../exit.ts'
import { closeOnce, type Knocker, knockOnce } from '../knocker.ts'
import type { KnockResult } from '../outcome.ts'
import { warn } from '../output.ts'
import { quote } from '../quote.ts'
import { clockWarning, jsonReport, report } from '../report.ts'
import { type KnockerFlags, mustPass, passageTo } from './knocker.ts'
import { answerFailure } from './load.ts'
import { tell } from './tell.ts'

export interface KnockFlags extends KnockerFlags {
  readonly ifNeeded?: boolean
  readonly port?: string
  readonly watch?: boolean
  readonly close?: boolean
}

export async function knockCommand(
  name: string,
  services: readonly string[],
  flags: KnockFlags,
): Promise<Exit> {
  checkTogether(flags)
  if (flags.ifNeeded) return knockIfNeeded(name, services, flags)
  if (flags.watch) {
    const { watchCommand } = await import('./watch.ts')
    return watchCommand(name, services, flags)
  }
  // Mistakes are found before anything is asked for: a person types it for nothing only once.
  const knocker = await passageTo(name, services, flags).knocker()
  const result = await knockOnce(knocker)
  if (!result.ok) throw answerFailure(result.error)
  return tellResult(knocker, result.value, flags, 'open')
}

function checkTogether({ ifNeeded, port, watch, close }: KnockFlags): void {
  if (port !== undefined && !ifNeeded) {
    throw usage('--port tells whether a knock is needed: give --if-needed with it')
  }
  if (close && !watch) throw usage('--close ends a --watch: else run oneknock close')
  if (ifNeeded && watch) throw usage('--watch knocks when it is needed: leave out --if-needed')
}

export async function closeCommand(
  name: string,
  services: readonly string[],
  flags: Pick<KnockFlags, 'json'>,
): Promise<Exit> {
  const knocker = await passageTo(name, services, { ...flags, otp: false }).knocker()
  return tellResult(knocker, await closeOnce(knocker), flags, 'close')
}

/** Quick when the door is open, and one knock for all who come at the same time when it is not. */
async function knockIfNeeded(
  name: string,
  services: readonly string[],
  flags: KnockFlags,
): Promise<Exit> {
  const isJson = flags.json === true
  const passage = passageTo(name, services, flags)
  if (flags.port === undefined) return tell(await mustPass(passage, 0), isJson)
  const { answers, parseEndpoint } = await import('../probe.ts')
  const endpoint = parseEndpoint(flags.port)
  if (!endpoint) {
    throw usage(`--port ${quote(flags.port)}: give HOST:PORT, in ssh's file %h:%p`)
  }
  const since = Date.now()
  if (!(await answers(endpoint))) return tell(await mustPass(passage, since), isJson)
  const json = { target: name, status: 'open' }
  return tell({ exit: EXIT.opened, line: 'open already: it answers', json }, isJson)
}

function tellResult(
  { name, profile: { host, port } }: Knocker,
  result: KnockResult,
  { json }: Pick<KnockFlags, 'json'>,
  verb: 'open' | 'close',
): Exit {
  const warning = clockWarning(result)
  if (warning) warn(`warning: ${warning}`)
  const knocked = { name, host, port, verb }
  return tell({ ...report(result, knocked), json: jsonReport(result, knocked) }, json === true)
}

const usage = (message: string): Failure => new Failure(EXIT.usage, message)
