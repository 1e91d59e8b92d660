import { chmodSync, chownSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { fail, ok, type Result } from '@oneknock/shared'

/** A request and its answer are JSON lines; no request needs more than this. */
const REQUEST_MAX = 64 * 1024
/** Whoever connects and asks nothing is hung up on. */
const IDLE_MS = 10_000
/** What the kernel keeps of a socket's path, without the final zero; Node cuts off the rest unsaid. */
const PATH_MAX = 107
/** What may wait for an asker that reads slowly: some 10,000 events. Beyond it, it is hung up on. */
const UNREAD_MAX = 4 * 1024 * 1024
/** A daemon that answers from memory answers at once; one that does not in this time hangs. */
const ANSWER_MS = 10_000
const NO_LIMIT = 0
/** For requests that have it read files or wait for hooks, whose own limit is a minute. */
export const LONG_ANSWER_MS = 90_000

export type ControlError = { readonly code: 'held' | 'unavailable'; readonly message: string }

export interface Request {
  readonly command: string
  readonly [name: string]: unknown
}

/** Whoever asked, for answers that come piece by piece. */
export interface Asker {
  tell(piece: unknown): void
  /** Resolves when nobody reads any more. */
  readonly gone: Promise<void>
}

/** Answers a request; what it throws becomes an error for whoever asked, never the daemon's end. */
export type Handle = (request: Request, asker: Asker) => Promise<unknown>

export interface Control {
  close(): Promise<void>
}

export const controlPath = (stateFolder: string): string => join(stateFolder, 'oneknockd.sock')

/**
 * The administrator's way in, a Unix socket in the state folder; and the proof that no other daemon
 * runs on that folder, since only one can listen there. What two daemons started in the same instant
 * may both find stale here, the ledger's exclusive first file decides between them.
 */
export async function openControl(
  stateFolder: string,
  handle: Handle,
  group?: number,
): Promise<Result<Control, ControlError>> {
  const path = controlPath(stateFolder)
  const unavailable = (why: string): Result<never, ControlError> =>
    fail({ code: 'unavailable', message: `cannot listen on ${path}: ${why}` })
  if (Buffer.byteLength(path) > PATH_MAX) {
    return unavailable(
      `a socket's path has at most ${PATH_MAX} bytes; choose a shorter state folder`,
    )
  }
  const asking = new Set<Socket>()
  const server = createServer(socket => {
    asking.add(socket)
    socket.on('close', () => asking.delete(socket))
    serve(socket, handle)
  })
  let error = await listen(server, path)
  if (error?.code === 'EADDRINUSE') {
    if (await answers(path)) return fail(held(stateFolder))
    unlinkSync(path)
    error = await listen(server, path)
  }
  if (error) return unavailable(error.message)
  const untold = group === undefined ? undefined : letIn(group, path)
  if (untold) {
    server.close()
    return unavailable(untold)
  }
  return ok({
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of asking) socket.destroy()
      }),
  })
}

/** Asks the daemon on this state folder; `undefined` if none runs there. */
export const askDaemon = (
  stateFolder: string,
  request: Request,
  limitMs = ANSWER_MS,
): Promise<unknown> => converse(stateFolder, request, () => {}, limitMs)

/** The same for an answer that comes piece by piece until the daemon ends: then it is `null`. */
export const followDaemon = (
  stateFolder: string,
  request: Request,
  onPiece: (piece: unknown) => void,
): Promise<unknown> => converse(stateFolder, request, onPiece, NO_LIMIT)

function converse(
  stateFolder: string,
  request: Request,
  onPiece: (piece: unknown) => void,
  limitMs: number,
): Promise<unknown> {
  const path = controlPath(stateFolder)
  const socket = connect(path)
  return new Promise((resolve, reject) => {
    socket.setTimeout(limitMs, () => {
      reject(
        new Error(`the daemon at ${path} did not answer within ${limitMs / 1000} s: see its log`),
      )
      socket.destroy()
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (isNobody(error)) resolve(undefined)
      else reject(new Error(`cannot ask the daemon at ${path}: ${whyNot(error)}`))
    })
    socket.once('connect', () => socket.write(`${JSON.stringify(request)}\n`))
    let told = false
    socket.once('close', () => {
      if (told) resolve(null)
      else reject(new Error(`the daemon at ${path} hung up without an answer`))
    })
    onLines(socket, Number.POSITIVE_INFINITY, line => {
      const { error, result, piece } = JSON.parse(line)
      if (piece !== undefined) {
        told = true
        return onPiece(piece)
      }
      socket.end()
      if (error) reject(new Error(error))
      else resolve(result)
    })
  })
}

const whyNot = ({ code, message }: NodeJS.ErrnoException): string =>
  code === 'EACCES'
    ? `uid ${process.geteuid?.()} may not; use sudo, or see admin.group in the configuration`
    : message

const held = (stateFolder: string): ControlError => ({
  code: 'held',
  message: `another daemon runs on ${stateFolder}; stop it first, or give this one another state folder`,
})

function listen(server: Server, path: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise(resolve => {
    server.once('error', resolve)
    // The folder is closed to others already; the mode says so on the socket itself.
    server.listen(path, () => {
      server.removeListener('error', resolve)
      chmodSync(path, 0o600)
      resolve(undefined)
    })
  })
}

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
    return `cannot give it to group ${group} (${(error as Error).message}); make the daemon's user a member`
  }
}

/** Whether somebody listens there, or may: only what nobody can own is taken over. */
function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', error => resolve(!isNobody(error)))
  })
}

const isNobody = ({ code }: NodeJS.ErrnoException): boolean =>
  code === 'ECONNREFUSED' || code === 'ENOENT'

function serve(socket: Socket, handle: Handle): void {
  socket.setTimeout(IDLE_MS, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  const say = (line: object) => {
    if (socket.writableLength > UNREAD_MAX) socket.destroy()
    else if (socket.writable) socket.write(`${JSON.stringify(line)}\n`)
  }
  const gone = new Promise<void>(resolve => socket.once('close', () => resolve()))
  const asker: Asker = { tell: piece => say({ piece }), gone }
  let asked = false
  onLines(socket, REQUEST_MAX, async line => {
    if (asked) return
    asked = true
    socket.setTimeout(0) // From here on it is us who take the time.
    try {
      say({ result: (await handle(JSON.parse(line), asker)) ?? null })
    } catch (error) {
      say({ error: error instanceof Error ? error.message : `${error}` })
    }
    socket.end()
  })
}

/** Calls back with each line; hangs up on whoever sends more than that without one. */
function onLines(socket: Socket, most: number, use: (line: string) => void): void {
  let pieces: string[] = []
  let length = 0
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = chunk.split('\n')
    const rest = lines.pop()!
    for (const line of lines) {
      use(pieces.join('') + line)
      pieces = []
      length = 0
    }
    pieces.push(rest)
    length += rest.length
    if (length > most) socket.destroy()
  })
}
