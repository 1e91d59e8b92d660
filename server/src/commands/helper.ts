import { serveHelper } from '../compose/helper.ts'
import { createLog } from '../log.ts'
import { Failure } from './failure.ts'
import { tellSystemd, untilTold } from './systemd.ts'

/** Runs commands as other accounts until SIGTERM or SIGINT; the exit status. */
export async function helper({ config }: { readonly config: string }): Promise<number> {
  // Nobody connects between the making of the socket and the setting of its mode.
  process.umask(0o077)
  const terminal = process.stdout.isTTY
  const log = createLog(terminal, terminal && !process.env.NO_COLOR)
  const served = await serveHelper(config, log)
  if (!served.ok) throw new Failure(served.error.message)
  log.info({ pid: process.pid }, 'ready')
  tellSystemd()
  await untilTold()
  await served.value.close()
  return 0
}
