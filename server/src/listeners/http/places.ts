import { createServer, type Server, type Socket } from 'node:net'
import { endpointsClash, formatEndpoint } from '../../config/places.ts'
import type { Endpoint } from '../../core/directory.ts'
import { BACKLOG } from './limits.ts'

export type PlaceNote =
  | { readonly note: 'bound'; readonly place: string }
  | { readonly note: 'gone'; readonly place: string }

export class HttpError extends Error {
  readonly code: 'in-use' | 'unavailable'

  constructor(code: HttpError['code'], message: string) {
    super(message)
    this.name = 'HttpError'
    this.code = code
  }
}

/**
 * Listens at these places and no others. What stays misses nobody; connections of what goes live on.
 * If a place cannot be had, those that were there stay.
 */
export async function bindAll(
  servers: Map<string, Server>,
  endpoints: readonly Endpoint[],
  accept: (socket: Socket) => void,
  report: (note: PlaceNote) => void,
): Promise<void> {
  const wanted = new Map(endpoints.map(endpoint => [formatEndpoint(endpoint), endpoint]))
  const bound: string[] = []
  const close = (place: string) => {
    servers.get(place)!.close()
    servers.delete(place)
    report({ note: 'gone', place })
  }
  try {
    for (const [place, endpoint] of wanted) {
      if (servers.has(place)) continue
      const own = endpoints.find(
        other => servers.has(formatEndpoint(other)) && endpointsClash(other, endpoint),
      )
      if (own) throw new HttpError('in-use', takenByUs(place, formatEndpoint(own)))
      servers.set(place, await bind(endpoint, accept))
      bound.push(place)
      report({ note: 'bound', place })
    }
  } catch (error) {
    for (const place of bound) close(place)
    throw error
  }
  for (const place of [...servers.keys()]) if (!wanted.has(place)) close(place)
}

const takenByUs = (place: string, own: string): string =>
  `tcp ${place} is held as ${own} while this door moves: take another port, or restart the daemon`

function bind(endpoint: Endpoint, accept: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, accept)
  return new Promise((resolve, reject) => {
    server.once('error', error => reject(bindError(error, endpoint)))
    server.listen({ host: endpoint.host, port: endpoint.port, backlog: BACKLOG }, () => {
      server.removeAllListeners('error')
      // Out of descriptors, say: the next connection may find one.
      server.on('error', () => {})
      resolve(server)
    })
  })
}

function bindError(error: NodeJS.ErrnoException, endpoint: Endpoint): HttpError {
  const place = formatEndpoint(endpoint)
  switch (error.code) {
    case 'EADDRINUSE':
      return new HttpError(
        'in-use',
        `tcp ${place} is in use: ss -ltnp shows by whom; change http.listen`,
      )
    case 'EADDRNOTAVAIL':
      return new HttpError(
        'unavailable',
        `cannot listen on tcp ${place}: this host has no such address; change http.listen`,
      )
    default:
      return new HttpError('unavailable', `cannot listen on tcp ${place}: ${error.message}`)
  }
}
