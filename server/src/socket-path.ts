import { chmodSync } from 'node:fs'
import { connect, type Server } from 'node:net'

/** What the kernel keeps of a socket's path, without the final zero; Node cuts off the rest unsaid. */
const PATH_MAX = 107

/** Why a socket cannot have that path; `undefined` if it can. */
export const tooLong = (path: string): string | undefined =>
  Buffer.byteLength(path) > PATH_MAX
    ? `a socket's path has at most ${PATH_MAX} bytes; choose a shorter folder`
    : undefined

/** Listens there, for its owner alone. */
export function listenAt(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // The folder is closed to others already; the mode says so on the socket itself.
    server.listen(path, () => {
      server.removeListener('error', reject)
      chmodSync(path, 0o600)
      resolve()
    })
  })
}

/** Only where it is sure that nobody does, what lies there may be taken over. */
export function whoListens(path: string): Promise<'somebody' | 'nobody' | Error> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve('somebody')
    })
    socket.once('error', error => {
      if (isNobody(error)) resolve('nobody')
      else resolve(isSomebody(error) ? 'somebody' : error)
    })
  })
}

export const isNobody = ({ code }: NodeJS.ErrnoException): boolean =>
  code === 'ECONNREFUSED' || code === 'ENOENT'

/** It let go in this moment, or too many others ask there. */
const isSomebody = ({ code }: NodeJS.ErrnoException): boolean =>
  code === 'ECONNRESET' || code === 'EAGAIN'
