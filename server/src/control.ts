import { chmodSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { fail, ok, type Result } from '@oneknock/shared'

/** A request and its answer are one JSON line each; no command needs more than this. */
const LINE_MAX = 64 * 1024
/** Whoever connects and says nothing is hung up on. */
const IDLE_MS = 10_000

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
  const held: ControlError = {
    code: 'held',
    message: `another daemon runs on ${stateFolder}; stop it first, or give this one another state folder`,
  }
  const server = createServer(socket => serve(socket, handle))
  let error = await listen(server, path)
  if (error?.code === 'EADDRINUSE') {
    if (await answers(path)) return fail(held)
    unlinkSync(path)
    error = await listen(server, path)
  }
  if (error) {
    return fail({ code: 'unavailable', message: `cannot listen on ${path}: ${error.message}` })
  }
  return ok({ close: () => new Promise(resolve => server.close(() => resolve())) })
}

/** Asks the daemon on this state folder; `undefined` if none runs there. */
export async function askDaemon(stateFolder: string, request: Request): Promise<unknown> {
  const socket = connect(controlPath(stateFolder))
  return new Promise((resolve, reject) => {
    socket.once('error', () => resolve(undefined))
    socket.once('connect', () => socket.write(`${JSON.stringify(request)}\n`))
    onLine(socket, line => {
      socket.end()
      const { error, result } = JSON.parse(line)
      if (error) reject(new Error(error))
      else resolve(result)
    })
  })
}

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

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
  })
}

function serve(socket: Socket, handle: Handle): void {
  socket.setTimeout(IDLE_MS, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  onLine(socket, async line => {
    let answer: { result: unknown } | { error: string }
    try {
      answer = { result: (await handle(JSON.parse(line))) ?? null }
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : `${error}` }
    }
    socket.end(`${JSON.stringify(answer)}\n`)
  })
}

/** Calls back with the first line. */
function onLine(socket: Socket, use: (line: string) => void): void {
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    if (text.includes('\n')) return
    text += chunk
    if (text.length > LINE_MAX) socket.destroy()
    else if (text.includes('\n')) use(text.slice(0, text.indexOf('\n')))
  })
}
