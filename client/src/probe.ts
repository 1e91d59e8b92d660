import type { Socket } from 'node:net'
import { addressesOf, dial } from './dial.ts'

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** A service that can be reached answers within it, anywhere on earth; a door that is shut says nothing. */
const CONNECT_MS = 400
/** For what comes after the round trip that a gate needs to hang up. */
const SLACK_MS = 50
const HANG_UP_MAX_MS = 1_000

/** `HOST:PORT` as ssh writes `%h:%p`: an IPv6 address may do without brackets, since a port always follows. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const at = text.lastIndexOf(':')
  const host = text.slice(0, Math.max(0, at)).replace(/^\[(.*)\]$/, '$1')
  const port = parsePort(text.slice(at + 1))
  return host === '' || port === undefined ? undefined : { host, port }
}

export function parsePort(text: string): number | undefined {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65535 ? port : undefined
}

/** Whether one gets through to a service there. */
export async function answers({ host, port }: Endpoint): Promise<boolean> {
  const addresses = await addressesOf(host)
  if (!addresses.ok) return false
  const socket = await dialIn(addresses.value, port)
  socket?.destroy()
  return socket !== undefined
}

/** A connection to a service, in the time that an open door takes; none to a gate that hangs up. */
export async function dialIn(
  addresses: readonly string[],
  port: number,
): Promise<Socket | undefined> {
  const startedAt = performance.now()
  const dialled = await dial(addresses, port, CONNECT_MS)
  if (!dialled.ok) return undefined
  const roundTrip = performance.now() - startedAt
  return (await isLetIn(dialled.value, roundTrip)) ? dialled.value : undefined
}

/**
 * A gate completes the handshake with strangers before it hangs up. Nothing is said to it meanwhile,
 * so nothing is lost, and nothing has to be said twice; a service that speaks first ends the wait.
 */
function isLetIn(socket: Socket, roundTripMs: number): Promise<boolean> {
  return new Promise(settle => {
    const end = (isIn: boolean) => {
      clearTimeout(limit)
      socket.off('readable', look).off('error', hungUp)
      if (!isIn) socket.destroy()
      settle(isIn)
    }
    // Readable without a byte is the end.
    const look = () => end(socket.readableLength > 0)
    const hungUp = () => end(false)
    const limit = setTimeout(() => end(true), Math.min(HANG_UP_MAX_MS, 2 * roundTripMs + SLACK_MS))
    socket.on('readable', look)
    socket.on('error', hungUp)
  })
}
