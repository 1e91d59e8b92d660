import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fail, ok, type Result } from '@oneknock/shared'
import type { Config } from './config.ts'
import { type Control, openControl, type Request } from './control.ts'
import { type Clock, systemClock } from './core/clock.ts'
import type { Directory, Service } from './core/directory.ts'
import type { Event } from './core/events.ts'
import { Keyring } from './core/keyring.ts'
import { type Checkpoint, State } from './core/state.ts'
import { Counters } from './counters.ts'
import { Doors } from './doors.ts'
import { Gatekeeper, type Record } from './gatekeeper.ts'
import { ExecHook } from './hooks/exec.ts'
import { GateHook } from './hooks/gate.ts'
import type { Hook, LivingHook } from './hooks/hook.ts'
import { ownAddresses, systemHost } from './host.ts'
import { systemFiles } from './ledger/files.ts'
import { type Ledger, openLedger } from './ledger/ledger.ts'
import type { Listener } from './listeners/listener.ts'
import { type UdpNote, udpListener } from './listeners/udp.ts'
import type { Log } from './log.ts'
import { logEvent } from './trail.ts'
import { Upkeep } from './upkeep.ts'

/** Why a daemon does not start: one line for whoever started it. */
export interface StartError {
  readonly code: 'held' | 'unavailable' | 'ledger' | 'hook' | 'listen'
  readonly message: string
}

export interface Daemon {
  stop(): Promise<void>
}

/** Hints computed at once before the daemon is ready. */
const HINTS_AT_START = 10_000

/**
 * Makes a running daemon of a configuration: the one place that names concrete parts. What was begun
 * is undone if a later step fails.
 */
export async function startDaemon(
  config: Config,
  directory: Directory,
  log: Log,
): Promise<Result<Daemon, StartError>> {
  const undo: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const step of undo.reverse()) await step()
  }
  try {
    await start(config, directory, log, undo)
    return ok({ stop })
  } catch (error) {
    await stop()
    if (error instanceof StartFailure) return fail(error.reason)
    throw error
  }
}

class StartFailure extends Error {
  readonly reason: StartError

  constructor(reason: StartError) {
    super(reason.message)
    this.reason = reason
  }
}

async function start(
  config: Config,
  directory: Directory,
  log: Log,
  undo: (() => Promise<unknown>)[],
): Promise<void> {
  const clock = systemClock
  const state = new State(clock, config.freshness)
  const counters = new Counters()
  const control = await holdFolder(config.state, request => answer(request, state, counters))
  undo.push(() => control.close())

  const ledger = await openState(config.state, clock, state, log)
  undo.push(() => ledger.close())
  const record: Record = async (event, options) => {
    const written = await ledger.append(event, options)
    if (written.ok) logEvent(log, event)
    else log.error({ why: written.error.why }, written.error.message)
    return written.ok
  }

  const keyring = new Keyring(config.freshness)
  keyring.assign([...directory.users.values()].flatMap(({ devices }) => devices))
  while (keyring.hints.prepare(clock.now(), HINTS_AT_START));

  const hooks = await startHooks(config, clock, log, undo)
  const doors = new Doors({
    hooksOf: service => hooks.filter(hook => serves(hook, config.services.get(service))),
    report: ({ opening, ...fault }) => log.error({ ...fault, service: opening.service }, 'hook'),
  })
  const gatekeeper = new Gatekeeper({
    clock,
    random: randomBytes,
    keyring,
    state,
    directory: () => directory,
    host: systemHost(config.listen, clock),
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
  await startListener(listener, gatekeeper)
  undo.push(() => listener.stop())
  await record({ event: 'note', what: 'started' })
  undo.push(() => record({ event: 'note', what: 'stopped' }))
}

async function holdFolder(
  folder: string,
  handle: (request: Request) => Promise<unknown>,
): Promise<Control> {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    const message = `cannot make the state folder ${folder}: ${(error as Error).message}`
    throw new StartFailure({ code: 'unavailable', message })
  }
  const control = await openControl(folder, handle)
  if (!control.ok) throw new StartFailure(control.error)
  return control.value
}

async function answer({ command }: Request, state: State, counters: Counters): Promise<unknown> {
  switch (command) {
    case 'status':
      return { pid: process.pid, grants: state.grants.size, packets: counters.read() }
    case 'grants':
      return state.grants.list()
    default:
      throw new Error(`unknown command ${command}`)
  }
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
  if (!opened.ok) throw new StartFailure({ code: 'ledger', message: opened.error.message })
  return opened.value
}

/** The hooks that this configuration's services need, each with its guard up. */
async function startHooks(
  { services }: Config,
  clock: Clock,
  log: Log,
  undo: (() => Promise<unknown>)[],
): Promise<readonly LivingHook[]> {
  const all = [...services.values()]
  const hooks: LivingHook[] = []
  const note = (fields: object, line: string) => log.info(fields, line)
  if (all.some(({ gate }) => gate)) hooks.push(new GateHook({ services: all, clock, log: note }))
  if (all.some(({ exec }) => exec)) hooks.push(new ExecHook({ services: all, clock, log: note }))
  for (const hook of hooks) {
    try {
      await hook.start()
    } catch (error) {
      throw new StartFailure({ code: 'hook', message: (error as Error).message })
    }
    undo.push(() => hook.stop())
  }
  return hooks
}

function serves(hook: Hook, service: Service | undefined): boolean {
  switch (hook.name) {
    case 'nftables':
      return (service?.ports.length ?? 0) > 0
    case 'gate':
      return service?.gate !== undefined
    case 'exec':
      return service?.exec !== undefined
    default:
      return false
  }
}

async function startListener(listener: Listener, gatekeeper: Gatekeeper): Promise<void> {
  try {
    await listener.start(gatekeeper.judge)
  } catch (error) {
    throw new StartFailure({ code: 'listen', message: (error as Error).message })
  }
}

function logUdp(log: Log, { note, ...fields }: UdpNote): void {
  switch (note) {
    case 'bound':
      log.info(fields, 'listening')
      break
    case 'gone':
      log.info(fields, 'address gone')
      break
    case 'buffer-capped':
      log.warn(fields, 'bursts may lose packets: raise net.core.rmem_max')
      break
    case 'socket-error':
      log.error(fields, 'socket')
      break
  }
}
