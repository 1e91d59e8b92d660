import { lchownSync, lstatSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fail, formatNetwork, type Result } from '@oneknock/shared'
import { type Config, formatConfigError, loadConfig } from '../config.ts'
import { systemClock } from '../core/clock.ts'
import type { ExecSettings } from '../core/directory.ts'
import { type Outcome, runCommand } from '../hooks/command.ts'
import { commandFor } from '../hooks/exec/environment.ts'
import { type Order, parseOrder } from '../hooks/exec/order.ts'
import { COMMANDS_AT_ONCE } from '../hooks/exec.ts'
import { findProgram } from '../hooks/guard/program.ts'
import { Slots } from '../hooks/slots.ts'
import type { Log } from '../log.ts'
import { type Served, type ServeError, serveSocket } from '../socket.ts'

/** What it says to whatever is none. */
export const NO_ORDER = 'that is no order'

/** Milliseconds to wait for room, as in the daemon. */
const WAIT_LIMIT = 30_000

/**
 * Runs what the configuration says for a service, as the account that it says, when the daemon asks.
 * The daemon could be anybody's by now: what it says is a service, open or close, an address and a
 * time, and the configuration is read again each time, from a file that only root can have written.
 */
export async function serveHelper(
  configFile: string,
  log: Log,
): Promise<Result<Served, ServeError>> {
  const unavailable = (message: string) => fail<ServeError>({ code: 'unavailable', message })
  const config = await readConfig(configFile)
  if (!config.ok) return unavailable(config.error)
  const slots = new Slots(COMMANDS_AT_ONCE, WAIT_LIMIT)
  const { helperSocket, state } = config.value
  const owner = statSync(state, { throwIfNoEntry: false })?.uid
  if (owner === undefined)
    return unavailable(`${state} is not there, so nobody may ask; make it first`)
  const served = await serveSocket(helperSocket, async request => {
    const order = parseOrder(request)
    if (!order) throw new Error(NO_ORDER)
    return slots.use(
      () => carryOut(order, configFile, log),
      () => new Error(`${COMMANDS_AT_ONCE} commands run already; lower their time limits`),
    )
  })
  // The daemon is whoever owns its state. A link in the socket's place would not be followed.
  if (served.ok) lchownSync(helperSocket, owner, -1)
  return served
}

async function carryOut(order: Order, configFile: string, log: Log): Promise<Outcome> {
  const { event, opening } = order
  const { service, network, user, until } = opening
  const config = await readConfig(configFile)
  if (!config.ok) throw new Error(`the helper does not trust its configuration: ${config.error}`)
  const exec = config.value.services.get(service)?.exec
  if (!exec?.as || exec[event].length === 0) {
    throw new Error(`service ${service} has no ${event} command that runs as another account`)
  }
  if ((user !== undefined) !== (exec.perUser === true)) {
    throw new Error(`service ${service} ${user ? 'is not for each user' : 'is for each user'}`)
  }
  const left = until - systemClock.now()
  if (event === 'open' && left <= 0) throw new Error('that opening is over')
  const { argv, env } = commandFor(exec[event], event, opening, left)
  const outcome = await runCommand({ ...exec, argv: [...become(exec), ...argv], env })
  log.info(
    { service, event, as: exec.as, network: formatNetwork(network), end: outcome.end },
    'ran',
  )
  return outcome
}

/** All its errors, in one line; also where somebody else could put another file in its place. */
async function readConfig(file: string): Promise<Result<Config, string>> {
  const config = await loadConfig(file)
  if (!config.ok) return fail(config.error.map(formatConfigError).join('; '))
  const lax = laxFolder(dirname(resolve(file)))
  return lax
    ? fail(`${lax} can be written by others than root; run: chown root ${lax}; chmod go-w ${lax}`)
    : config
}

const SHARED_WRITABLE = 0o022
const STICKY = 0o1000

/** The first folder on the way to the root in which others could put something. */
function laxFolder(folder: string): string | undefined {
  const { uid, mode } = lstatSync(folder)
  const self = process.geteuid?.() ?? 0
  const writable = (mode & SHARED_WRITABLE) !== 0 && (mode & STICKY) === 0
  if ((uid !== 0 && uid !== self) || writable) return folder
  const above = dirname(folder)
  return above === folder ? undefined : laxFolder(above)
}

/**
 * What to put before a command so that it is run as that account, with its groups and with nothing
 * of ours: no capability but what its own uid gives it.
 */
function become({ as }: ExecSettings): string[] {
  const account = accountOf(as!)
  const self = process.geteuid?.()
  if (account.uid === self && self !== 0) return []
  const drop = account.uid === 0 ? [] : ['--inh-caps=-all', '--bounding-set=-all']
  const ids = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups']
  const program = findProgram('setpriv')
  if (!program) throw new Error('setpriv is not installed: install util-linux')
  return [program, ...ids, ...drop, '--no-new-privs', '--']
}

function accountOf(name: string): { readonly uid: number; readonly gid: number } {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [login, , uid, gid] = line.split(':')
    if (login === name && uid && gid) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error(`there is no account ${name} in /etc/passwd; change exec.as`)
}
