import { fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'

/** The two ends on this side. */
export interface Ends {
  readonly input: Readable
  readonly output: Writable
}

/** How a connection ended. */
export type Ending =
  | { readonly kind: 'ended' }
  | { readonly kind: 'lost'; readonly cause: string }
  /** The other side hung up at once, without a word, as a gate does to strangers. */
  | { readonly kind: 'unheard'; readonly said: readonly Buffer[] }

/** A gate hangs up as soon as it has seen from where one comes. */
const UNHEARD_MS = 1_000
/** What is kept to be said again: ssh's first words are a few hundred bytes. */
const SAID_MAX = 65_536

/** This process's input and output. */
export const ownEnds = (): Ends => ({ input: process.stdin, output: ownOutput() })

/**
 * Passes bytes on both ways until both have ended; the end of either is passed on alone. `said` is
 * what the input said on a connection before this one.
 */
export function splice(
  socket: Socket,
  { input, output }: Ends,
  said: readonly Buffer[] = [],
): Promise<Ending> {
  let kept: Buffer[] | undefined = [...said]
  let cause: string | undefined
  let isPiped = false

  const keep = (chunk: Buffer) => {
    kept?.push(chunk)
    if (Buffer.concat(kept ?? []).length > SAID_MAX) forget()
  }
  const forget = () => {
    kept = undefined
    input.off('data', keep)
    clearTimeout(timer)
  }
  const timer = setTimeout(forget, UNHEARD_MS)

  return new Promise(settle => {
    socket.once('data', (first: Buffer) => {
      forget()
      isPiped = true
      output.write(first)
      socket.pipe(output)
    })
    socket.once('end', () => {
      if (kept) socket.destroy()
      else if (!isPiped) output.end()
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      cause = error.code ?? error.message
    })
    socket.once('close', () => {
      const unheard = kept
      forget()
      input.unpipe(socket)
      input.pause()
      if (unheard) return settle({ kind: 'unheard', said: unheard })
      const ending: Ending = cause === undefined ? { kind: 'ended' } : { kind: 'lost', cause }
      flushed(output).then(() => settle(ending))
    })
    // Whoever read the output has gone, and with them the reason to go on.
    output.once('error', () => socket.destroy())
    input.once('error', () => socket.end())
    // What has been said whole may have been heard: to say it again could do it twice.
    input.once('end', forget)
    for (const chunk of said) socket.write(chunk)
    input.on('data', keep)
    input.pipe(socket)
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
