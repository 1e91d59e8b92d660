import { chmodSync, chownSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fail, type Result } from '@oneknock/shared'
import {
  type Asker,
  converse,
  type OnPiece,
  type Served,
  type ServeError,
  serveSocket,
} from './socket.ts'

export type { Asker } from './socket.ts'
export type Control = Served
export type ControlError = ServeError

export interface Request {
  readonly command: string
  readonly [name: string]: unknown
}

/** Answers a request; what it throws becomes an error for whoever asked. */
export type Handle = (request: Request, asker: Asker) => Promise<unknown>

/** A daemon that answers from memory answers at once; one that does not in this time hangs. */
const ANSWER_MS = 10_000
const NO_LIMIT = 0
/** For requests that have it read files or wait for hooks, whose own limit is a minute. */
export const LONG_ANSWER_MS = 90_000

export const controlPath = (stateFolder: string): string => join(stateFolder, 'oneknockd.sock')

/**
 * The administrator's way in, a Unix socket in the state folder; and the proof that no other daemon
 * runs on that folder, since only one can listen there. Those who cannot see each other's sockets, on
 * a folder that two hosts share, the ledger's exclusive first file keeps apart.
 */
export async function openControl(
  stateFolder: string,
  handle: Handle,
  group?: number,
): Promise<Result<Control, ControlError>> {
  const path = controlPath(stateFolder)
  // Every handler's requests name a command; what does not is answered by its default.
  const served = await serveSocket(path, (request, asker) => handle(request as Request, asker))
  if (!served.ok) return served.error.code === 'held' ? fail(held(stateFolder)) : served
  const message = group === undefined ? undefined : letIn(group, path)
  if (message === undefined) return served
  await served.value.close()
  return fail({ code: 'unavailable', message })
}

/** Asks the daemon on this state folder; `undefined` if none runs there. */
export const askDaemon = (
  stateFolder: string,
  request: Request,
  limitMs = ANSWER_MS,
): Promise<unknown> => converse(controlPath(stateFolder), request, () => {}, limitMs)

/**
 * The same for an answer that comes piece by piece until the daemon ends: then it is `null`. Rejects
 * with what `onPiece` rejects with.
 */
export const followDaemon = (
  stateFolder: string,
  request: Request,
  onPiece: OnPiece,
  signal?: AbortSignal,
): Promise<unknown> => converse(controlPath(stateFolder), request, onPiece, NO_LIMIT, signal)

const held = (stateFolder: string): ControlError => ({
  code: 'held',
  message: `another daemon runs on ${stateFolder}; stop it first, or give this one another state folder`,
})

/**
 * Lets the members of a group ask: they may go through the folder, and see nothing in it, to the
 * socket. What lies beside it is its owner's alone still.
 */
function letIn(group: number, path: string): string | undefined {
  const folder = dirname(path)
  try {
    chownSync(path, -1, group)
    chmodSync(path, 0o660)
    chownSync(folder, -1, group)
    chmodSync(folder, 0o710)
    return undefined
  } catch (error) {
    return `cannot give ${path} to group ${group} (${(error as Error).message}); make the daemon's user a member`
  }
}
