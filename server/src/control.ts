import { chmodSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { fail, ok, type Result } from '@oneknock/shared'

/** A request and its answer are one JSON line each; no request needs more than this. */
const REQUEST_MAX = 64 * 1024
/** Whoever connects and asks nothing is hung up on. */
const IDLE_MS = 10_000
/** What the kernel keeps of a socket's path, without the final zero; Node cuts off the rest unsaid. */
const PATH_MAX = 107

export type ControlError = { readonly code: 'held' | 'unavailable'; readonly message: string }

export interface Request {
  readonly command: string
  readonly [name: string]: unknown
}

/** Answers a request; what it throws becomes an error for whoever asked, never the daemon's end. */
export type Handle = (request: Request) => Promise<unknown>

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
  return ok({
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of asking) socket.destroy()
      }),
  })
}

/** Asks the daemon on this state folder; `undefined` if none runs there. */
export function askDaemon(stateFolder: string, request: Request): Promise<unknown> {
  const path = controlPath(stateFolder)
  const socket = connect(path)
  return new Promise((resolve, reject) => {
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (isNobody(error)) resolve(undefined)
      else reject(new Error(`cannot ask the daemon at ${path}: ${error.message}`))
    })
    socket.once('connect', () => socket.write(`${JSON.stringify(request)}\n`))
    socket.once('close', () => reject(new Error(`the daemon at ${path} hung up without an answer`)))
    onLine(socket, Number.POSITIVE_INFINITY, line => {
      socket.end()
      const { error, result } = JSON.parse(line)
      if (error) reject(new Error(error))
      else resolve(result)
    })
  })
}

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
  onLine(socket, REQUEST_MAX, async line => {
    socket.setTimeout(0) // From here on it is us who take the time.
    let answer: { result: unknown } | { error: string }
    try {
      answer = { result: (await handle(JSON.parse(line))) ?? null }
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : `${error}` }
    }
    socket.end(`${JSON.stringify(answer)}\n`)
  })
}

/** Calls back with the first line; hangs up on whoever sends more than that without one. */
function onLine(socket: Socket, most: number, use: (line: string) => void): void {
  let text = ''
  let used = false
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    if (used) return
    text += chunk
    const end = text.indexOf('\n')
    used = end >= 0
    if (used) use(text.slice(0, end))
    else if (text.length > most) socket.destroy()
  })
}
