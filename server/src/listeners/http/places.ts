import { createServer, type Server, type Socket } from 'node:net'
import { endpointsClash, formatEndpoint } from '../../config/places.ts'
import type { Endpoint } from '../../core/directory.ts'
import { ListenError, listenError } from '../listen-error.ts'
import { BACKLOG } from './limits.ts'

export type PlaceNote =
  | { readonly note: 'bound'; readonly place: string }
  | { readonly note: 'gone'; readonly place: string }

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
      if (own) throw new ListenError('in-use', takenByUs(place, formatEndpoint(own)))
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
    server.once('error', error =>
      reject(listenError(error, 'tcp', formatEndpoint(endpoint), 'http.listen')),
    )
    server.listen({ host: endpoint.host, port: endpoint.port, backlog: BACKLOG }, () => {
      server.removeAllListeners('error')
      // Out of descriptors, say: the next connection may find one.
      server.on('error', () => {})
      resolve(server)
    })
  })
}
