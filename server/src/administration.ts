import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import type { Reloads } from './administration/reloads.ts'
import { verify } from './administration/verify.ts'
import {
  type AnswerView,
  approvalView,
  closedView,
  type DoorView,
  type GuardView,
  grantView,
  isoTime,
  lockView,
} from './administration/views.ts'
import type { Daemon } from './compose.ts'
import { ownCommand } from './config/command.ts'
import { formatEndpoint } from './config/places.ts'
import type { Asker, Handle, Request } from './control.ts'

/** What the administrator can ask a running daemon over its socket. */
export function administration(reloads: Reloads): (daemon: Daemon) => Handle {
  return daemon => async (request, asker) => {
    switch (request.command) {
      case 'status':
        return statusOf(daemon)
      case 'grants':
        return grantsOf(daemon)
      case 'approvals':
        return daemon.state.waiting.list().map(approvalView)
      case 'answer':
        return answer(daemon, request)
      case 'close':
        return closeGrant(daemon, request)
      case 'reload':
        return reload(daemon, reloads)
      case 'unlock':
        return unlock(daemon, request)
      case 'verify':
        return verify(daemon, request)
      case 'firewall':
        return firewall(daemon, reloads, request)
      case 'head':
        return daemon.head()
      case 'follow':
        return follow(daemon, asker)
      default:
        throw new Error(`this daemon knows no command ${request.command}; is it another version?`)
    }
  }
}

/** What is wrong, one line for each; the present settings stay then. */
async function reload(daemon: Daemon, reloads: Reloads): Promise<void> {
  const taken = await reloads.reload(daemon)
  if (!taken.ok) throw new Error(taken.error.join('\n'))
}

function statusOf(daemon: Daemon) {
  const { state, counters } = daemon
  const users = [...daemon.settings().directory.users.values()]
  return {
    running: true,
    pid: process.pid,
    up_s: Math.round(process.uptime()),
    users: users.length,
    devices: users.reduce((sum, { devices }) => sum + devices.length, 0),
    grants: state.grants.size,
    waiting: state.waiting.size,
    closing: state.grants.listEnding().length,
    guard: guardOf(daemon),
    locked: state.lockout.list(Date.now()).map(lockView),
    ledger: daemon.head(),
    replay_memory: state.replay.size,
    rss_bytes: process.memoryUsage.rss(),
    packets: counters.read(),
    doors: doorsOf(daemon),
  }
}

/** The ways in for those who have no packet, as they are configured. */
function doorsOf({ counters, http, settings }: Daemon): DoorView[] {
  const counts = counters.readDoors()
  const { config } = settings()
  const doors: DoorView[] = []
  if (config.http) {
    const over = config.http.tls ? 'TLS' : 'plain'
    const listen = config.http.listen.map(formatEndpoint)
    const { connections } = http
    doors.push({ door: 'http', listen, over, connections, counts: counts.http ?? {} })
  }
  if (config.radius) {
    const listen = config.radius.listen.map(formatEndpoint)
    doors.push({ door: 'radius', listen, over: 'UDP', counts: counts.radius ?? {} })
  }
  return doors
}

/** Those that live, and those whose doors are still being closed. */
const grantsOf = ({ state: { grants } }: Daemon) => [
  ...grants.list().map(grant => grantView(grant, 'open')),
  ...grants.listEnding().map(({ grant }) => grantView(grant, 'closing')),
]

/** In place of whoever was asked. */
async function answer({ gatekeeper }: Daemon, { id, yes }: Request): Promise<AnswerView> {
  const waits = typeof id === 'string' ? id : ''
  const outcome = await gatekeeper.approvals.answer(waits, yes === true)
  if (!outcome) throw new Error(`nothing waits as ${waits}; see: ${ownCommand('approvals')}`)
  const { status, reason, detail } = outcome
  return { answered: waits, result: status, ...(reason !== 'none' && { why: reason, detail }) }
}

async function closeGrant({ state, gatekeeper, doors }: Daemon, request: Request) {
  const id = typeof request.grant === 'string' ? request.grant : ''
  const grant = state.grants.get(id)
  if (!grant) throw new Error(`there is no grant ${id}; see: ${ownCommand('grants')}`)
  await gatekeeper.end(id, 'administrator')
  await turnOfTheLoop() // What follows from the hooks' answer has happened then.
  return closedView(id, state.grants.getEnding(id) !== undefined, doors.remainsOf(grant))
}

async function unlock(daemon: Daemon, { user }: Request): Promise<void> {
  if (typeof user !== 'string') throw new Error('whom to unlock was not said')
  if (await daemon.unlock(user)) return
  throw new Error(
    `${user} may try again until the next start: it could not be recorded; see the log`,
  )
}

/** The guard as the files say by now: on trial before anything new is guarded, or for good. */
async function firewall(daemon: Daemon, reloads: Reloads, { action, ms }: Request) {
  const { guard } = daemon
  if (!guard) throw new Error('this daemon keeps no guard: its firewall.backend guards no ports')
  if (action === 'try' && typeof ms === 'number') {
    await guard.tryFor(ms)
    await reload(daemon, reloads)
  } else {
    await reload(daemon, reloads)
    await guard.stay()
  }
  return guardOf(daemon)
}

function guardOf({ guard, settings }: Daemon): GuardView {
  if (!guard) return { guard: 'none' }
  const { trialLeft } = guard
  const { ifDead } = settings().config.firewall
  if (trialLeft === undefined) {
    if (ifDead === undefined) return { guard: 'for good' }
    return { guard: 'while the daemon lives', if_dead_s: ifDead / 1000 }
  }
  if (trialLeft === 0) return { guard: 'let go' }
  return { guard: 'on trial', until: isoTime(Date.now() + trialLeft) }
}

/** Where the ledger stands, and then what comes behind that, for as long as somebody reads. */
async function follow({ trail, head }: Daemon, { tell, gone }: Asker): Promise<void> {
  tell({ head: head() })
  const stop = trail.follow(entry => tell({ entry }))
  await gone
  stop()
}
