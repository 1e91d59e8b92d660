import type { Config } from '../config.ts'
import { askPatiently } from './ask.ts'
import { remark } from './output.ts'

/** `refused`: the daemon goes on as before. */
export type Notified = 'taken' | 'no-daemon' | 'refused'

/** Has a running daemon take up what was changed, and says whether it did. */
export async function notifyDaemon({ state }: Pick<Config, 'state'>): Promise<Notified> {
  try {
    const answer = await askPatiently(state, { command: 'reload' })
    if (answer === undefined) {
      remark(`No daemon runs on ${state}; the next one will know.`)
      return 'no-daemon'
    }
    remark('The running daemon has taken it up.')
    return 'taken'
  } catch (error) {
    const reason = error instanceof Error ? error.message : error
    remark(`The running daemon has NOT taken it up: ${reason}`)
    return 'refused'
  }
}

/** For a change that is made: the exit status, 0 if it counts by now or there is no daemon yet. */
export const statusOfChange = async (config: Pick<Config, 'state'>): Promise<number> =>
  (await notifyDaemon(config)) === 'refused' ? 1 : 0
