import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { fail, ok, type Result } from '@oneknock/shared'
import { ask } from './compose/approvals.ts'
import { type StartError, StartFailure, step } from './compose/failure.ts'
import { makeHooks, serves, startHooks } from './compose/hooks.ts'
import { makeHttp, planOf } from './compose/http.ts'
import { logLedger, logUdp } from './compose/notes.ts'
import { makeRadius, radiusPlanOf } from './compose/radius.ts'
import { rehearse } from './compose/rehearsal.ts'
import { reload } from './compose/reload.ts'
import { devicesOf, type Settings } from './compose/settings.ts'
import { holdFolder, openState } from './compose/state.ts'
import { makeValidation, makeValidator } from './compose/validation.ts'
import type { Handle } from './control.ts'
import { systemClock } from './core/clock.ts'
import { isPersonal } from './core/directory.ts'
import { Keyring } from './core/keyring.ts'
import { State } from './core/state.ts'
import { Counters } from './counters.ts'
import { Doors } from './doors.ts'
import { Gatekeeper, type Record } from './gatekeeper.ts'
import { GuardHook } from './hooks/guard.ts'
import { ownAddresses, systemHost } from './host.ts'
import type { Head } from './ledger/lines.ts'
import { approvalRoute } from './listeners/http/approval.ts'
import type { HttpListener } from './listeners/http.ts'
import { udpListener } from './listeners/udp.ts'
import type { Log } from './log.ts'
import { serveMetrics } from './metrics/server.ts'
import { Metrics } from './metrics.ts'
import { NativeMacs, nativeReplyTag } from './native-macs.ts'
import { pooledRandom } from './random.ts'
import { laterLog, Trail } from './trail.ts'
import { Upkeep } from './upkeep.ts'

export interface Daemon {
  readonly state: State
  readonly counters: Counters
  readonly gatekeeper: Gatekeeper
  /** What has come on record, as it does. */
  readonly trail: Trail
  readonly doors: Pick<Doors, 'remainsOf'>
  /** The door for those who cannot send our packet. */
  readonly http: { readonly connections: number }
  /** Of a firewall's guard that this daemon keeps up. */
  readonly guard: TrialOfGuard | undefined
  settings(): Settings
  /** The last durable line of the ledger. */
  head(): Head
  /** Lifts a user's lockouts; false if that could not be recorded, and will be forgotten. */
  unlock(user: string): Promise<boolean>
  /** Takes up other settings whole, or keeps the present ones whole; no packet is lost meanwhile. */
  reload(settings: Settings): Promise<Result<void, StartError>>
  /** Resolves, with why, if another daemon takes over the state: then this one must end. */
  readonly overtaken: Promise<string>
  stop(): Promise<void>
}

export interface TrialOfGuard {
  tryFor(ms: number): Promise<void>
  stay(): Promise<void>
  /** Milliseconds until a trial ends, 0 if it has; `undefined` if there is none. */
  readonly trialLeft: number | undefined
}

/** Hints computed at once before the daemon is ready. */
const HINTS_AT_START = 10_000
/** Milliseconds after the start until the rehearsal: a start has enough to do. */
const REHEARSAL_MS = 300

/**
 * Makes a running daemon of its settings: the one place that names concrete parts. What was begun is
 * undone if a later step fails.
 */
export async function startDaemon(
  settings: Settings,
  log: Log,
  handle: (daemon: Daemon) => Handle,
): Promise<Result<Daemon, StartError>> {
  const undo: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const step of undo.reverse()) await step()
  }
  try {
    return ok({ ...(await start(settings, log, handle, undo)), stop })
  } catch (error) {
    await stop()
    if (error instanceof StartFailure) return fail(error.reason)
    throw error
  }
}

async function start(
  { config, directory }: Settings,
  log: Log,
  handle: (daemon: Daemon) => Handle,
  undo: (() => Promise<unknown>)[],
): Promise<Omit<Daemon, 'stop'>> {
  const clock = systemClock
  const state = new State(clock, config.freshness)
  const counters = new Counters()
  let answer: Handle = async () => {
    throw new Error('the daemon is still starting; ask again in a moment')
  }
  const control = await holdFolder(config, (request, asker) => answer(request, asker))
  undo.push(() => control.close())

  let overtake = (_: string) => {}
  const overtaken = new Promise<string>(resolve => {
    overtake = resolve
  })
  const ledger = await openState(config, state, clock, note => {
    if (note.kind === 'failed' && note.why === 'another-daemon') overtake(note.message)
    else logLedger(log, note)
  })
  undo.push(() => ledger.close())
  const current = { config, directory }
  const metrics =
    config.metricsAt &&
    new Metrics({
      ...{ state, counters },
      directory: () => current.directory,
      head: () => ledger.head(),
      ifDead: () => current.config.firewall.ifDead,
    })
  const trail = new Trail()
  const logLater = laterLog(log)
  const record: Record = async (event, options) => {
    const at = clock.now()
    const began = clock.monotonic()
    const written = await ledger.append(event, options)
    metrics?.wrote(clock.monotonic() - began, written.ok ? undefined : written.error.why)
    if (written.ok) {
      trail.tell({ at, event })
      logLater(event)
    } else if (written.error.why !== 'another-daemon') {
      log.error({ why: written.error.why }, written.error.message)
    }
    return written.ok
  }

  const keyring = new Keyring(config.freshness, new NativeMacs())
  keyring.assign(devicesOf(directory))
  do keyring.hints.prepare(clock.now(), HINTS_AT_START)
  while (!keyring.hints.isCurrent)

  const hooks = makeHooks(() => current, clock, log, record)
  const doors = new Doors({
    hooksOf: name => hooks.filter(hook => serves(hook, current.config.services.get(name))),
    report: ({ opening, ...fault }) => {
      log.error({ ...fault, service: opening.service }, 'hook')
      metrics?.failed(fault)
    },
    observe: metrics && ((hook, action, ms) => metrics.asked(hook, action, ms)),
    isPersonal: name => {
      const service = current.config.services.get(name)
      return service !== undefined && isPersonal(service)
    },
  })
  const random = pooledRandom()
  const gatekeeper = new Gatekeeper({
    clock,
    random,
    keyring,
    state,
    directory: () => current.directory,
    host: systemHost(
      () => [
        ...current.config.listen,
        ...(current.config.http?.listen ?? []),
        ...(current.config.radius?.listen ?? []),
      ],
      clock,
    ),
    record,
    doors,
    counters,
    ask: question => ask(current, question),
    freshnessMs: config.freshness,
    replyTag: nativeReplyTag,
    validate: makeValidator(() => current, clock, log),
  })
  await step(
    'hook',
    gatekeeper.resume(hooks, wanted => startHooks(hooks, wanted, current.config.services, undo)),
  )

  const upkeep = new Upkeep({ clock, keyring, state, gatekeeper, counters, log })
  upkeep.start()
  undo.push(async () => {
    upkeep.stop()
    doors.stop()
  })
  const listener = udpListener({
    endpoints: config.listen,
    ownAddresses,
    report: note => logUdp(log, note),
  })
  const judge = metrics ? metrics.timed(gatekeeper.judge) : gatekeeper.judge
  await step('listen', listener.start(judge))
  undo.push(async () => {
    await listener.stop()
    await gatekeeper.idle()
    await record({ event: 'note', what: 'stopped' })
  })
  const radius = makeRadius({ settings: () => current, state, clock, random, counters, log })
  await step(
    'listen',
    radiusPlanOf(config).then(plan => radius.configure(plan)),
  )
  await step('listen', radius.start(judge))
  undo.push(() => radius.stop())
  const routes = [
    approvalRoute({ approvals: gatekeeper.approvals, clock }),
    makeValidation({
      settings: () => current,
      clientKeys: () => http.plan?.clientKeys ?? new Map(),
      clock,
      judge,
    }),
  ]
  const http: HttpListener = makeHttp({ settings: () => current, clock, counters, log, routes })
  await step('listen', planOf(config).then(http.configure))
  await step('listen', http.start(judge))
  undo.push(() => http.stop())
  if (metrics && config.metricsAt) {
    undo.push(
      await step(
        'listen',
        serveMetrics(config.metricsAt, () => metrics.read()),
      ),
    )
  }
  await record({ event: 'note', what: 'started' })
  const rehearsal = setTimeout(async () => {
    // Whatever it comes to ends nobody's doors.
    const parts = { random, now: clock.now(), turn: turnOfTheLoop }
    if (await rehearse(parts).catch(() => false)) return
    log.error('a good knock does not open: please report it')
  }, REHEARSAL_MS)
  undo.push(async () => clearTimeout(rehearsal))

  const unlock = (user: string): Promise<boolean> => {
    const event = { event: 'unlocked', user } as const
    state.apply(event, clock.now())
    return record(event)
  }
  const parts = {
    ...{ state, counters, gatekeeper, trail, doors, http, overtaken, unlock },
    guard: hooks.find(hook => hook instanceof GuardHook),
    reload: (next: Settings) =>
      reload({ current, listener, http, radius, hooks, keyring, gatekeeper, record, log }, next),
    settings: () => current,
    head: () => ledger.head(),
  }
  answer = handle({ ...parts, stop: async () => {} })
  return parts
}
