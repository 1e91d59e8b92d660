import { askDaemon, followDaemon, LONG_ANSWER_MS, type Request } from '../control.ts'
import type { OnPiece } from '../socket.ts'
import { Failure } from './failure.ts'

/** What a running daemon answers; `undefined` if none runs on that folder. */
export const ask = (state: string, request: Request): Promise<unknown> =>
  inWords(askDaemon(state, request))

/** For what has the daemon read its files, or wait for its hooks. */
export const askPatiently = (state: string, request: Request): Promise<unknown> =>
  inWords(askDaemon(state, request, LONG_ANSWER_MS))

export const follow = (
  state: string,
  request: Request,
  onPiece: OnPiece,
  signal?: AbortSignal,
): Promise<unknown> => inWords(followDaemon(state, request, onPiece, signal))

export const noDaemon = (state: string, remedy: string): Failure =>
  new Failure(`no daemon runs on ${state}; ${remedy}`)

/** What a conversation fails with says itself what to do; a mistake of this program is told as one. */
async function inWords(asking: Promise<unknown>): Promise<unknown> {
  try {
    return await asking
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error
    throw new Failure(error instanceof Error ? error.message : `${error}`)
  }
}
