import type { Endpoint } from '../core/directory.ts'
import { type Listener, SILENCE } from './listener.ts'
import { type SocketsOptions, sendTo, udpSockets } from './sockets.ts'

export interface UdpListener extends Listener {
  /** Listens there from now on: what stays loses no packet, and if anything fails all stays. */
  listen(endpoints: readonly Endpoint[]): Promise<void>
}

/** The packet's own way in. */
export function udpListener(options: Omit<SocketsOptions, 'key'>): UdpListener {
  const { start, listen, stop } = udpSockets({ ...options, key: 'listen' })
  return {
    name: 'udp',
    start: knock =>
      start((datagram, { address, port }, socket) => {
        const verdict = knock({ datagram, source: address })
        if (verdict === SILENCE) return
        void Promise.resolve(verdict).then(answer => {
          if (answer.kind !== 'answer' || !answer.reply) return
          sendTo(socket, answer.reply, port, address)
        })
      }),
    listen,
    stop,
  }
}
