import { createSocket, type Socket } from 'node:dgram'
import { connect } from 'node:net'
import type { Door } from './shot.ts'

/** Looks at a door from one address, again and again, until the service behind it answers. */
export interface Probe {
  /** One look; what it brings comes later. */
  look(): void
  /** When the service first answered, by `performance.now()`; `undefined` as long as it has not. */
  readonly answeredAt: number | undefined
  close(): void
}

export const openProbe = (door: Door, source: string): Promise<Probe> =>
  door.protocol === 'udp' ? udpProbe(door, source) : tcpProbe(door, source)

const PROBE = Uint8Array.of(0)

async function udpProbe({ host, port }: Door, source: string): Promise<Probe> {
  const socket = await boundSocket(source)
  let answeredAt: number | undefined
  socket.once('message', () => {
    answeredAt = performance.now()
  })
  await new Promise<void>(resolve => socket.connect(port, host, resolve))
  return {
    look: () => socket.send(PROBE, () => {}), // A refusal is an answer that has not come yet.
    get answeredAt() {
      return answeredAt
    },
    close: () => socket.close(),
  }
}

/** One connection at a time: a gate hangs up on whom it does not know. */
async function tcpProbe({ host, port }: Door, source: string): Promise<Probe> {
  let answeredAt: number | undefined
  let busy = false
  return {
    look() {
      if (busy || answeredAt !== undefined) return
      busy = true
      const socket = connect({ host, port, localAddress: source, noDelay: true })
      socket.on('error', () => {})
      socket.once('data', () => {
        answeredAt ??= performance.now()
        socket.resetAndDestroy()
      })
      socket.once('close', () => {
        busy = false
      })
    },
    get answeredAt() {
      return answeredAt
    },
    close: () => {},
  }
}

export function boundSocket(source: string): Promise<Socket> {
  const socket = createSocket('udp4')
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(0, source, () => {
      socket.off('error', reject)
      socket.on('error', () => {}) // Refused by a port that nobody has: as good as silence.
      resolve(socket)
    })
  })
}
