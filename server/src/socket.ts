import { renameSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { fail, ok, type Result } from '@oneknock/shared'
import { type Lock, longestPath, takeLock } from './socket-lock.ts'
import { isNobody, listenAt, tooLong, whoListens } from './socket-path.ts'

/*
 * Requests between processes of one host: over a Unix socket, a JSON line there and a JSON line back.
 */

/** No request needs more than this. */
const REQUEST_MAX = 64 * 1024
/** Whoever connects and asks nothing is hung up on. */
const IDLE_MS = 10_000
/** What may wait for an asker that reads slowly: some 10,000 events. Beyond it, it is hung up on. */
const UNREAD_MAX = 4 * 1024 * 1024

/** Whoever asked, for answers that come piece by piece. */
export interface Asker {
  tell(piece: unknown): void
  /** Resolves when nobody reads any more. */
  readonly gone: Promise<void>
}

/** Answers a request; what it throws becomes an error for whoever asked, never the process's end. */
export type Serve = (request: unknown, asker: Asker) => Promise<unknown>

/** A socket that is listened on. */
export interface Served {
  close(): Promise<void>
}

export type ServeError = {
  /** `held`: somebody else listens there. */
  readonly code: 'held' | 'unavailable'
  readonly message: string
}

/** Beside a socket, what keeps all others from it. */
export const lockOf = (path: string): string => `${path.replace(/\.sock$/, '')}.lock`

/**
 * Listens on a Unix socket that is its owner's alone, in a folder that is closed to others. What a
 * process that is gone left behind is taken over; of several that try at once, one gets it.
 */
export async function serveSocket(
  path: string,
  handle: Serve,
): Promise<Result<Served, ServeError>> {
  const refuse = (code: ServeError['code'], why: string): Result<never, ServeError> =>
    fail({ code, message: `cannot listen on ${path}: ${why}` })
  const own = ownName(path)
  const long = [path, own, longestPath(lockOf(path))].map(tooLong).find(why => why !== undefined)
  if (long) return refuse('unavailable', long)
  let lock: Lock | undefined
  try {
    lock = await takeLock(lockOf(path))
    if (!lock) return refuse('held', HELD)
    // Whoever runs although their lock was tidied away, or knows of none, is not pushed aside either.
    const found = await whoListens(path)
    if (found === 'nobody') return ok(await listen(path, own, handle, lock))
    lock.release()
    return found === 'somebody' ? refuse('held', HELD) : refuse('unavailable', found.message)
  } catch (error) {
    lock?.release()
    return refuse('unavailable', error instanceof Error ? error.message : `${error}`)
  }
}

const HELD = 'somebody else does already'

/**
 * To be bound to first: whoever closes a socket takes away whatever has the name that it was bound to,
 * and by then that may be somebody else's.
 */
const ownName = (path: string): string => join(dirname(path), `.${process.pid}.sock`)

async function listen(path: string, own: string, handle: Serve, lock: Lock): Promise<Served> {
  const asking = new Set<Socket>()
  const server = createServer(socket => {
    asking.add(socket)
    socket.on('close', () => asking.delete(socket))
    serve(socket, handle)
  })
  try {
    rmSync(own, { force: true })
    await listenAt(server, own)
    const { ino } = statSync(own)
    renameSync(own, path)
    return {
      close: async () => {
        await hangUp(server, asking, path, ino)
        lock.release()
      },
    }
  } catch (error) {
    server.close()
    throw error
  }
}

/** Takes a piece of an answer; if it cannot, that is the end of the conversation. */
export type OnPiece = (piece: unknown) => void | Promise<void>

/**
 * Asks whoever listens there; `undefined` if nobody does. Pieces may come before the answer, which
 * is `null` if the other side ends after some, or if the signal ends it from this one.
 */
export function converse(
  path: string,
  request: object,
  onPiece: OnPiece,
  limitMs: number,
  signal?: AbortSignal,
): Promise<unknown> {
  const socket = connect(path)
  return new Promise((resolve, reject) => {
    signal?.addEventListener('abort', () => {
      resolve(null)
      socket.destroy()
    })
    socket.setTimeout(limitMs, () => {
      reject(new Error(`${path} did not answer within ${limitMs / 1000} s: see its log`))
      socket.destroy()
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (isNobody(error)) resolve(undefined)
      else reject(new Error(`cannot ask at ${path}: ${whyNot(error)}`))
    })
    socket.once('connect', () => socket.write(`${JSON.stringify(request)}\n`))
    let told = false
    socket.once('close', () => {
      if (told) resolve(null)
      else reject(new Error(`${path} hung up without an answer`))
    })
    const giveUp = (error: unknown) => {
      reject(error)
      socket.destroy()
    }
    const take = async (piece: unknown) => onPiece(piece)
    onLines(socket, Number.POSITIVE_INFINITY, line => {
      const answer = parseAnswer(line)
      if (!answer) return giveUp(new Error(`${path} does not answer as oneknockd does`))
      const { error, result, piece } = answer
      if (piece !== undefined) {
        told = true
        take(piece).catch(giveUp)
        return
      }
      socket.end()
      if (error) reject(new Error(error))
      else resolve(result)
    })
  })
}

interface Answer {
  readonly error?: string
  readonly result?: unknown
  readonly piece?: unknown
}

function parseAnswer(line: string): Answer | undefined {
  try {
    return JSON.parse(line) ?? undefined
  } catch {
    return undefined
  }
}

const whyNot = ({ code, message }: NodeJS.ErrnoException): string =>
  code === 'EACCES'
    ? `uid ${process.geteuid?.()} may not; use sudo, or see admin.group in the configuration`
    : message

/** Ends all conversations, and takes the socket's name along unless it is another's by now. */
function hangUp(
  server: Server,
  asking: ReadonlySet<Socket>,
  path: string,
  ino: number,
): Promise<void> {
  if (statSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path)
  return new Promise(resolve => {
    server.close(() => resolve())
    for (const socket of asking) socket.destroy()
  })
}

function serve(socket: Socket, handle: Serve): void {
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
