import { connect, isIP, type Socket } from 'node:net'
import { fail, ok, type Result } from '@oneknock/shared'
import { udp } from './transport.ts'

/**
 * Between the start of one attempt and the next, as RFC 8305 section 5 allows at the least: a family
 * that is dropped on the way must not use up the time that the other needs.
 */
const STAGGER_MS = 100

/** The addresses of a host, in the order that the system prefers; or the system's word for why none. */
export const addressesOf = (host: string): Promise<Result<readonly string[], string>> =>
  isIP(host) > 0 ? Promise.resolve(ok([host])) : udp.resolve(host)

/** A connection to the first of these addresses that answers in time; or the last word on why none did. */
export function dial(
  addresses: readonly string[],
  port: number,
  limitMs: number,
): Promise<Result<Socket, string>> {
  return new Promise(settle => {
    const sockets = new Set<Socket>()
    let waiting = [...addresses]
    let cause = 'ETIMEDOUT'
    const end = (result: Result<Socket, string>) => {
      clearTimeout(limit)
      clearInterval(stagger)
      waiting = []
      for (const socket of sockets) if (!result.ok || socket !== result.value) socket.destroy()
      settle(result)
    }
    const limit = setTimeout(() => end(fail('ETIMEDOUT')), limitMs)
    const next = () => {
      const host = waiting.shift()
      if (host === undefined) return sockets.size === 0 ? end(fail(cause)) : undefined
      const socket = connect({ host, port, allowHalfOpen: true, noDelay: true })
      sockets.add(socket)
      const failed = (error: NodeJS.ErrnoException) => {
        cause = error.code ?? error.message
        sockets.delete(socket)
        next()
      }
      socket.once('error', failed)
      socket.once('connect', () => {
        socket.off('error', failed)
        end(ok(socket))
      })
    }
    const stagger = setInterval(() => waiting.length > 0 && next(), STAGGER_MS)
    next()
  })
}
