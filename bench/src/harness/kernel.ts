import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** What the kernel keeps about a UDP socket. */
export interface SocketState {
  /** Bytes that wait to be read. */
  readonly waiting: number
  /** Datagrams that found no room, since the socket was made. */
  readonly dropped: number
}

/** Of the one socket on this port, in the namespace that `inside` leads to, if there is one. */
export function socketState(port: number, inside: readonly string[] = []): SocketState | undefined {
  const rows = udpSockets(inside)
    .trim()
    .split('\n')
    .map(row => row.trim().split(/\s+/))
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const row = rows.find(columns => columns[1]?.endsWith(local))
  return (
    row && { waiting: Number.parseInt(row[4]!.split(':')[1]!, 16), dropped: Number(row.at(-1)) }
  )
}

function udpSockets(inside: readonly string[]): string {
  const [command, ...rest] = inside
  if (command === undefined) return readFileSync(UDP_SOCKETS, 'latin1')
  return execFileSync(command, [...rest, 'cat', UDP_SOCKETS], { encoding: 'latin1' })
}

const UDP_SOCKETS = '/proc/net/udp'

/** Milliseconds that the process's main thread has run on a processor. */
export function cpuMsOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6
}
