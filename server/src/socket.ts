import { chmodSync, renameSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { fail, ok, type Result } from '@oneknock/shared'

/*
 * Requests between processes of one host: over a Unix socket, a JSON line there and a JSON line back.
 */

/** No request needs more than this. */
const REQUEST_MAX = 64 * 1024
/** Whoever connects and asks nothing is hung up on. */
const IDLE_MS = 10_000
/** What the kernel keeps of a socket's path, without the final zero; Node cuts off the rest unsaid. */
const PATH_MAX = 107
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

/**
 * Listens on a Unix socket that is its owner's alone, in a folder that is closed to others. What a
 * process that is gone left behind is taken over.
 */
export async function serveSocket(
  path: string,
  handle: Serve,
): Promise<Result<Served, ServeError>> {
  const refuse = (code: ServeError['code'], why: string): Result<never, ServeError> =>
    fail({ code, message: `cannot listen on ${path}: ${why}` })
  // A name of our own first: whoever closes a socket takes away whatever has the name that it was
  // bound to, and by then that may be somebody else's.
  const own = join(dirname(path), `.${process.pid}.sock`)
  if (Math.max(Buffer.byteLength(path), Buffer.byteLength(own)) > PATH_MAX) {
    return refuse(
      'unavailable',
      `a socket's path has at most ${PATH_MAX} bytes; choose a shorter folder`,
    )
  }
  const found = await whoListens(path)
  if (found === 'somebody') return refuse('held', 'somebody else does already')
  if (found !== 'nobody') return refuse('unavailable', found.message)
  const asking = new Set<Socket>()
  const server = createServer(socket => {
    asking.add(socket)
    socket.on('close', () => asking.delete(socket))
    serve(socket, handle)
  })
  try {
    rmSync(own, { force: true })
    await listen(server, own)
    const { ino } = statSync(own)
    renameSync(own, path)
    return ok({ close: () => hangUp(server, asking, path, ino) })
  } catch (error) {
    server.close()
    return refuse('unavailable', error instanceof Error ? error.message : `${error}`)
  }
}

/**
 * Asks whoever listens there; `undefined` if nobody does. Pieces may come before the answer, which
 * is `null` if the other side ends after some.
 */
export function converse(
  path: string,
  request: object,
  onPiece: (piece: unknown) => void,
  limitMs: number,
): Promise<unknown> {
  const socket = connect(path)
  return new Promise((resolve, reject) => {
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

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // The folder is closed to others already; the mode says so on the socket itself.
    server.listen(path, () => {
      server.removeListener('error', reject)
      chmodSync(path, 0o600)
      resolve()
    })
  })
}

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

/** Only what nobody can own is taken over. */
function whoListens(path: string): Promise<'somebody' | 'nobody' | Error> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve('somebody')
    })
    socket.once('error', error => resolve(isNobody(error) ? 'nobody' : error))
  })
}

const isNobody = ({ code }: NodeJS.ErrnoException): boolean =>
  code === 'ECONNREFUSED' || code === 'ENOENT'

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
