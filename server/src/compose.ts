import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fail, ok, type Result } from '@oneknock/shared'
import { hookConfig, makeHooks, serves } from './compose/hooks.ts'
import { logUdp } from './compose/notes.ts'
import type { Config } from './config.ts'
import { type Control, type Handle, openControl } from './control.ts'
import { type Clock, systemClock } from './core/clock.ts'
import { type Device, type Directory, isPersonal } from './core/directory.ts'
import type { Event } from './core/events.ts'
import { Keyring } from './core/keyring.ts'
import { type Checkpoint, State } from './core/state.ts'
import { Counters } from './counters.ts'
import { Doors } from './doors.ts'
import { Gatekeeper, type Record } from './gatekeeper.ts'
import { findGroup } from './groups.ts'
import type { LivingHook } from './hooks/hook.ts'
import { NftablesHook } from './hooks/nftables.ts'
import { ownAddresses, systemHost } from './host.ts'
import { systemFiles } from './ledger/files.ts'
import { type Ledger, openLedger } from './ledger/ledger.ts'
import type { Head } from './ledger/lines.ts'
import { udpListener } from './listeners/udp.ts'
import type { Log } from './log.ts'
import { pooledRandom } from './random.ts'
import { logEvent, Trail } from './trail.ts'
import { Upkeep } from './upkeep.ts'

/** Why a daemon does not start, or does not take up a configuration: one line for the administrator. */
export interface StartError {
  readonly code: 'held' | 'unavailable' | 'ledger' | 'hook' | 'listen' | 'restart'
  readonly message: string
}

/** What the administrator's files say. */
export interface Settings {
  readonly config: Config
  readonly directory: Directory
}

export interface Daemon {
  readonly state: State
  readonly counters: Counters
  readonly gatekeeper: Gatekeeper
  /** What has come on record, as it does. */
  readonly trail: Trail
  /** Of a firewall's guard that this daemon keeps up. */
  readonly guard: TrialOfGuard | undefined
  settings(): Settings
  /** The last durable line of the ledger. */
  head(): Head
  /** Lifts a user's lockouts; false if that could not be recorded, and will be forgotten. */
  unlock(user: string): Promise<boolean>
  /** Takes up other settings whole, or keeps the present ones whole; no packet is lost meanwhile. */
  reload(settings: Settings): Promise<Result<void, StartError>>
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

class StartFailure extends Error {
  readonly reason: StartError

  constructor(code: StartError['code'], cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause)
    super(message)
    this.reason = { code, message }
  }
}

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

  const ledger = await openState(config.state, clock, state, log)
  undo.push(() => ledger.close())
  const trail = new Trail()
  const record: Record = async (event, options) => {
    const at = clock.now()
    const written = await ledger.append(event, options)
    if (written.ok) {
      logEvent(log, event)
      trail.tell({ at, event })
    } else log.error({ why: written.error.why }, written.error.message)
    return written.ok
  }

  const current = { config, directory }
  /** Those of earlier settings too: what they opened has still to be closed. */
  const services = new Map(config.services)
  const keyring = new Keyring(config.freshness)
  keyring.assign(devicesOf(directory))
  while (keyring.hints.prepare(clock.now(), HINTS_AT_START));

  const hooks = makeHooks(() => current, clock, log, record)
  for (const hook of hooks) {
    await step('hook', hook.start())
    undo.push(() => hook.stop())
  }
  const doors = new Doors({
    hooksOf: name => hooks.filter(hook => serves(hook, services.get(name))),
    report: ({ opening, ...fault }) => log.error({ ...fault, service: opening.service }, 'hook'),
    isPersonal: name => services.has(name) && isPersonal(services.get(name)!),
  })
  const gatekeeper = new Gatekeeper({
    clock,
    random: pooledRandom(),
    keyring,
    state,
    directory: () => current.directory,
    host: systemHost(() => current.config.listen, clock),
    record,
    doors,
    counters,
    freshnessMs: config.freshness,
  })
  await gatekeeper.resume(hooks)

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
  await step('listen', listener.start(gatekeeper.judge))
  undo.push(() => listener.stop())
  await record({ event: 'note', what: 'started' })
  undo.push(() => record({ event: 'note', what: 'stopped' }))

  const reload = async (next: Settings): Promise<Result<void, StartError>> => {
    const needsRestart = changedForGood(current.config, next.config)
    if (needsRestart) return fail({ code: 'restart', message: needsRestart })
    const configured: LivingHook[] = []
    try {
      await step('listen', listener.listen(next.config.listen))
      for (const hook of hooks) {
        await step('hook', hook.configure(hookConfig(next)))
        configured.push(hook)
      }
    } catch (error) {
      for (const hook of configured) await hook.configure(hookConfig(current))
      await listener.listen(current.config.listen)
      if (error instanceof StartFailure) return fail(error.reason)
      throw error
    }
    current.config = next.config
    current.directory = next.directory
    for (const [name, service] of next.config.services) services.set(name, service)
    keyring.assign(devicesOf(next.directory))
    gatekeeper.revise()
    await record({ event: 'note', what: 'reloaded' })
    return ok(undefined)
  }
  const unlock = (user: string): Promise<boolean> => {
    const event = { event: 'unlocked', user } as const
    state.apply(event, clock.now())
    return record(event)
  }
  const parts = {
    ...{ state, counters, gatekeeper, trail, reload, unlock },
    guard: hooks.find(hook => hook instanceof NftablesHook),
    settings: () => current,
    head: () => ledger.head(),
  }
  answer = handle({ ...parts, stop: async () => {} })
  return parts
}

async function step<T>(code: StartError['code'], work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw new StartFailure(code, error)
  }
}

async function holdFolder({ state: folder, adminGroup }: Config, handle: Handle): Promise<Control> {
  const group = adminGroup === undefined ? undefined : findGroup(adminGroup)
  if (adminGroup !== undefined && group === undefined) {
    const remedy = 'make it with groupadd, or change admin.group'
    throw new StartFailure('unavailable', `there is no group ${adminGroup}: ${remedy}`)
  }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new StartFailure(
      'unavailable',
      `cannot make the state folder ${folder}: ${(error as Error).message}`,
    )
  }
  const control = await openControl(folder, handle, group)
  if (!control.ok) throw new StartFailure(control.error.code, control.error.message)
  return control.value
}

async function openState(
  folder: string,
  clock: Clock,
  state: State,
  log: Log,
): Promise<Ledger<Event>> {
  const opened = await openLedger<Event, Checkpoint>({
    folder: join(folder, 'ledger'),
    files: systemFiles,
    now: clock.now,
    checkpoint: () => state.checkpoint(),
    restore: checkpoint => state.restore(checkpoint),
    replay: ({ event, at }) => state.apply(event, at),
    report: ({ message, ...note }) => log[note.kind === 'opened' ? 'info' : 'warn'](note, message),
  })
  if (!opened.ok) throw new StartFailure('ledger', opened.error.message)
  return opened.value
}

const devicesOf = ({ users }: Directory): Device[] =>
  [...users.values()].flatMap(({ devices }) => devices)

/** What a reload cannot change, in words; `undefined` if there is nothing of it. */
function changedForGood(before: Config, after: Config): string | undefined {
  const changed = [
    before.state !== after.state && 'state',
    before.freshness !== after.freshness && 'freshness',
    before.firewall.backend !== after.firewall.backend && 'firewall.backend',
    before.adminGroup !== after.adminGroup && 'admin.group',
    before.helperSocket !== after.helperSocket && 'helper.socket',
  ].filter(key => key !== false)
  return changed.length > 0
    ? `${changed.join(' and ')} cannot change while the daemon runs: restart it`
    : undefined
}
