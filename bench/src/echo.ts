/** The service behind a door: answers every datagram, and greets every connection. */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { serve } from './harness/serve.ts'

const handlers = {
  /** Listens on the same port of both kinds. */
  listen: ({ host, port }: { host: string; port: number }): Promise<void> =>
    new Promise((resolve, reject) => {
      const udp = createSocket('udp4')
      udp.on('message', (datagram, { port, address }) => udp.send(datagram, port, address))
      const tcp = createServer(socket => {
        socket.on('error', () => {})
        socket.write('.')
      })
      udp.once('error', reject)
      tcp.once('error', reject)
      udp.bind(port, host, () => tcp.listen({ host, port, backlog: 511 }, resolve))
    }),
}
export type Echo = typeof handlers

serve(handlers)
