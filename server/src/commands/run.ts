import { spawn } from 'node:child_process'
import { startDaemon } from '../compose.ts'
import { formatConfigError, loadConfig } from '../config.ts'
import { createLog } from '../log.ts'
import { loadDirectory } from '../users.ts'

/** Runs the daemon until SIGTERM or SIGINT; the exit status. */
export async function run({ config: file }: { readonly config: string }): Promise<number> {
  const config = await loadConfig(file)
  if (!config.ok) return complain(config.error.map(formatConfigError))
  const directory = await loadDirectory(config.value)
  if (!directory.ok) return complain(directory.error.map(formatConfigError))

  const terminal = process.stdout.isTTY
  const log = createLog(terminal, terminal && !process.env.NO_COLOR)
  const daemon = await startDaemon(config.value, directory.value, log)
  if (!daemon.ok) return complain([daemon.error.message])
  log.info({ pid: process.pid, users: directory.value.users.size }, 'ready')
  tellSystemd()

  await new Promise<void>(resolve => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
  await daemon.value.stop()
  return 0
}

function complain(lines: readonly string[]): number {
  for (const line of lines) process.stderr.write(`oneknockd: ${line}\n`)
  return 1
}

/** Node cannot send to a Unix datagram socket, so systemd's own small program does (NotifyAccess=all). */
function tellSystemd(): void {
  if (!process.env.NOTIFY_SOCKET) return
  const child = spawn('systemd-notify', ['--ready', `--pid=${process.pid}`], { stdio: 'ignore' })
  child.on('error', () => {}) // Without it systemd says itself that readiness never came.
}
