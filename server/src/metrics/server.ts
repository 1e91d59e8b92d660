import { createServer } from 'node:http'
import { formatEndpoint } from '../config/places.ts'
import type { Endpoint } from '../core/directory.ts'
import { CONTENT_TYPE } from './text.ts'

/** Scrapers at once; whoever comes beside them is hung up on. */
export const CONNECTIONS_MAX = 16
/** Milliseconds for a whole request: it is one line and some headers. */
const REQUEST_LIMIT = 5_000

/** Serves the numbers at /metrics, and nothing else; resolves with how to stop. */
export function serveMetrics(
  at: Endpoint,
  read: () => string,
  requestLimit = REQUEST_LIMIT,
): Promise<() => Promise<void>> {
  // Otherwise Node looks for those who are late each half minute, and sixteen keep a scraper out so long.
  const server = createServer(
    { connectionsCheckingInterval: requestLimit },
    (request, response) => {
      const wanted = request.method === 'GET' && request.url === '/metrics'
      response.writeHead(wanted ? 200 : 404, { 'content-type': CONTENT_TYPE })
      response.end(wanted ? read() : '')
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  server.requestTimeout = requestLimit
  server.headersTimeout = requestLimit
  return new Promise((resolve, reject) => {
    server.once('error', error => {
      const remedy = 'change metrics.listen'
      reject(
        new Error(`cannot serve metrics at ${formatEndpoint(at)}: ${error.message}; ${remedy}`),
      )
    })
    server.listen(at.port, at.host, () => {
      resolve(async () => {
        server.close()
        server.closeAllConnections()
      })
    })
  })
}
