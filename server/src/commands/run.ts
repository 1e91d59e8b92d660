import { fail, ok, type Result } from '@oneknock/shared'
import { administration, reload } from '../administration.ts'
import { type Settings, startDaemon } from '../compose.ts'
import { type ConfigError, formatConfigError, loadConfig } from '../config.ts'
import { createLog } from '../log.ts'
import { loadDirectory } from '../users.ts'
import { tellSystemd, untilTold } from './systemd.ts'

/** Runs the daemon until SIGTERM or SIGINT; the exit status. SIGHUP has it read its files anew. */
export async function run({ config: file }: { readonly config: string }): Promise<number> {
  const load = () => loadSettings(file)
  const settings = await load()
  if (!settings.ok) return complain(settings.error.map(formatConfigError))

  const terminal = process.stdout.isTTY
  const log = createLog(terminal, terminal && !process.env.NO_COLOR)
  const daemon = await startDaemon(settings.value, log, administration(load))
  if (!daemon.ok) return complain([daemon.error.message])
  process.on('SIGHUP', () => {
    reload(daemon.value, load).catch(({ message }) => log.error({ error: message }, 'not reloaded'))
  })
  log.info({ pid: process.pid, users: settings.value.directory.users.size }, 'ready')
  tellSystemd()

  await untilTold()
  await daemon.value.stop()
  return 0
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
