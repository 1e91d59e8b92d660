import { fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'

/** The two ends on this side. */
export interface Ends {
  readonly input: Readable
  readonly output: Writable
}

/** How a connection ended: `undefined`, or the system's word for what broke it. */
export type Broken = string | undefined

/** This process's input and output. */
export const ownEnds = (): Ends => ({ input: process.stdin, output: ownOutput() })

/** Passes bytes on both ways until both have ended; the end of either is passed on alone. */
export function splice(socket: Socket, { input, output }: Ends): Promise<Broken> {
  return new Promise(settle => {
    let broken: Broken
    let isLost = false
    socket.once('error', (error: NodeJS.ErrnoException) => {
      broken = error.code ?? error.message
    })
    socket.once('close', () => {
      input.unpipe(socket)
      input.pause()
      // Standard output that failed never says that it has ended.
      if (isLost) settle(broken)
      else flushed(output).then(() => settle(broken))
    })
    output.once('error', ({ code }: NodeJS.ErrnoException) => {
      isLost = true
      // Whoever read the output has gone, and with them the reason to go on: only the rest is worth a word.
      if (code !== 'EPIPE') broken = `output: ${code}`
      socket.destroy()
    })
    input.once('error', () => socket.end())
    input.pipe(socket)
    socket.pipe(output)
  })
}

const flushed = (output: Writable): Promise<void> =>
  new Promise(resolve => {
    if (output.destroyed || output.writableFinished) return resolve()
    output.once('close', resolve)
    output.end(resolve)
  })

/** A pipe is ended by closing it, which `process.stdout` never does, and it must not block this process. */
function ownOutput(): Writable {
  const stats = fstatSync(1)
  const isPipe = stats.isFIFO() || stats.isSocket()
  return isPipe ? new Socket({ fd: 1, readable: false, writable: true }) : process.stdout
}
