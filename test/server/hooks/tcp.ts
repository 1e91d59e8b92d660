import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Watched from the beginning, since a reset may come together with the handshake's end. */
const ENDS = new WeakMap<Socket, Promise<string>>()

/** What a test's sockets need, and their end. */
export class Tcp {
  readonly #servers: Server[] = []
  readonly #sockets: Socket[] = []

  /** A service on a port of the system's choice; `sockets` are its connections so far. */
  async serve(onConnection: (socket: Socket) => void, host = '127.0.0.1') {
    const sockets: Socket[] = []
    const server = createServer({ allowHalfOpen: true }, socket => {
      sockets.push(this.#keep(socket))
      onConnection(socket)
    })
    this.#servers.push(server)
    server.listen(0, host)
    await once(server, 'listening')
    return { host, port: (server.address() as AddressInfo).port, sockets }
  }

  echo(host?: string) {
    return this.serve(socket => socket.pipe(socket), host)
  }

  /** On its way: what is written before it is connected waits. Loopback has 2^24 addresses to come from. */
  connect(to: { host: string; port: number }, localAddress?: string): Socket {
    return this.#keep(
      connect({ ...to, allowHalfOpen: true, ...(localAddress ? { localAddress } : {}) }),
    )
  }

  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#servers.map(server => new Promise(resolve => server.close(resolve))))
  }

  #keep(socket: Socket): Socket {
    this.#sockets.push(socket)
    ENDS.set(
      socket,
      new Promise(resolve => {
        socket.once('end', () => resolve('end'))
        socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code!))
      }),
    )
    return socket
  }
}

/** Sends one line and waits for as many bytes to come back. */
export async function roundTrip(socket: Socket, text: string): Promise<string> {
  socket.write(text)
  let received = ''
  while (received.length < text.length) {
    const [chunk] = await once(socket, 'data')
    received += String(chunk)
  }
  return received
}

/** How the other side let go: `end` in an orderly way, else the error's code. */
export function howItEnds(socket: Socket): Promise<string> {
  socket.resume()
  return ENDS.get(socket)!
}

/** All that comes until the other side has finished; our side stays as it is. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  socket.resume()
  await once(socket, 'end')
  return Buffer.concat(chunks)
}
