import type { Config } from '../config.ts'
import { askDaemon } from '../control.ts'
import { remark } from './output.ts'

/** Has a running daemon take up what was changed, and says whether it did. */
export async function notifyDaemon({ state }: Config): Promise<void> {
  try {
    const answer = await askDaemon(state, { command: 'reload' })
    if (answer === undefined) remark(`No daemon runs on ${state}; the next one will know.`)
    else remark('The running daemon has taken it up.')
  } catch (error) {
    const reason = error instanceof Error ? error.message : error
    remark(`The running daemon has NOT taken it up: ${reason}`)
  }
}
