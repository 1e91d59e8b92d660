import type { Socket } from 'node:net'
import { addressesOf, dial } from './dial.ts'

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** A service that can be reached answers within it, anywhere on earth; a door that is shut says nothing. */
export const CONNECT_MS = 400
/** A gate hangs up on strangers as soon as it has seen them: one round trip at the most. */
const HANG_UP_MS = 250

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
  const dialled = await dial(addresses.value, port, CONNECT_MS)
  return dialled.ok && (await isLetIn(dialled.value))
}

/** By a service that speaks first, or one that waits for us to; not by a gate. */
function isLetIn(socket: Socket): Promise<boolean> {
  return new Promise(settle => {
    const end = (isIn: boolean) => {
      clearTimeout(limit)
      socket.destroy()
      settle(isIn)
    }
    const limit = setTimeout(() => end(true), HANG_UP_MS)
    socket.once('data', () => end(true))
    socket.once('end', () => end(false))
    socket.once('error', () => end(false))
  })
}
