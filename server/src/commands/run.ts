import { fail, ok, type Result } from '@oneknock/shared'
import { Reloads } from '../administration/reloads.ts'
import { administration } from '../administration.ts'
import type { Settings } from '../compose/settings.ts'
import { type Daemon, startDaemon } from '../compose.ts'
import { type ConfigError, formatConfigError, loadConfig } from '../config.ts'
import { forwarding } from '../doctor/forwarding.ts'
import { createLog } from '../log.ts'
import { loadDirectory } from '../users.ts'
import { tellSystemd, untilTold } from './systemd.ts'

export interface RunOptions {
  /** The configuration's file. */
  readonly config: string
  /** For whoever looks on from within: the daemon, once it is ready. */
  readonly ready?: (daemon: Daemon) => void
}

/** Runs the daemon until SIGTERM or SIGINT; the exit status. SIGHUP has it read its files anew. */
export async function run({ config: file, ready }: RunOptions): Promise<number> {
  const load = () => loadSettings(file)
  const settings = await load()
  if (!settings.ok) return complain(settings.error.map(formatConfigError))

  const terminal = process.stdout.isTTY
  const log = createLog(terminal, terminal && !process.env.NO_COLOR)
  const reloads = new Reloads(load, errors => {
    for (const error of errors) log.error({ error }, 'not reloaded')
  })
  const starting = startDaemon(settings.value, log, administration(reloads))
  // What was changed while it starts is taken up when it is ready; unheard, the signal would end it.
  process.on('SIGHUP', async () => {
    const daemon = await starting
    if (daemon.ok) await reloads.reload(daemon.value)
  })
  const daemon = await starting
  if (!daemon.ok) return complain([daemon.error.message])
  for (const { state, found, remedy } of forwarding(settings.value.config.services.values())) {
    if (state !== 'fine') log.warn({ remedy }, found)
  }
  log.info({ pid: process.pid, users: settings.value.directory.users.size }, 'ready')
  tellSystemd()
  ready?.(daemon.value)

  const why = await Promise.race([untilTold(), daemon.value.overtaken])
  await daemon.value.stop()
  return why ? complain([why]) : 0
}

async function loadSettings(file: string): Promise<Result<Settings, ConfigError[]>> {
  const config = await loadConfig(file)
  if (!config.ok) return fail(config.error)
  const directory = await loadDirectory(config.value)
  return directory.ok ? ok({ config: config.value, directory: directory.value }) : directory
}

function complain(lines: readonly string[]): number {
  for (const line of lines) process.stderr.write(`oneknockd: ${line}\n`)
  return 1
}
