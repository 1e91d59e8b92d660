import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Address, Network } from '@oneknock/shared'
import { BODY_BYTES } from './limits.ts'
import { SAFETY } from './page.ts'
import { NOTHING, type Route, type WebAnswer, type WebRequest } from './route.ts'
import { originOf } from './source.ts'

const TOO_LARGE: WebAnswer = { status: 413, body: '' }
const FAILED: WebAnswer = { status: 500, body: '' }

export interface Served {
  readonly routes: readonly Route[]
  readonly trusted: readonly Network[]
  /** All of the request is there: it is being answered now. */
  readonly received: () => void
  /** Something of ours threw: for the log. Never holds what was sent. */
  readonly failed: (error: Error) => void
}

/** One request, whole; nothing is done before that. */
export async function serve(
  message: IncomingMessage,
  response: ServerResponse,
  peer: Address,
  { routes, trusted, received, failed }: Served,
): Promise<void> {
  const body = await readBody(message)
  if (body === 'gone') return
  received()
  if (body === 'too-large') return send(response, TOO_LARGE)
  try {
    const request = requestOf(message, body, peer, trusted)
    for (const route of routes) {
      const answer = route(request)
      if (answer) return send(response, await answer)
    }
    send(response, NOTHING)
  } catch (error) {
    failed(error as Error)
    send(response, FAILED)
  }
}

function requestOf(
  { method = '', url = '', headers }: IncomingMessage,
  body: Uint8Array,
  peer: Address,
  trusted: readonly Network[],
): WebRequest {
  const [path, query] = splitOnce(url, '?')
  const header = (name: string) => String(headers[name] ?? '')
  const origin = originOf(peer, trusted, header)
  const source = origin.kind === 'known' ? origin.address : undefined
  return { method, path, query: new URLSearchParams(query), header, body, origin, source }
}

function readBody(message: IncomingMessage): Promise<Uint8Array | 'too-large' | 'gone'> {
  return new Promise(resolve => {
    if (Number(message.headers['content-length'] ?? 0) > BODY_BYTES) return resolve('too-large')
    const chunks: Buffer[] = []
    let length = 0
    message.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > BODY_BYTES) resolve('too-large')
      else chunks.push(chunk)
    })
    message.on('end', () => resolve(Buffer.concat(chunks)))
    message.on('close', () => resolve('gone'))
    message.on('error', () => resolve('gone'))
  })
}

function send(response: ServerResponse, { status, headers = {}, body }: WebAnswer): void {
  if (response.destroyed) return
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  response.writeHead(status, {
    ...SAFETY,
    ...headers,
    'content-length': bytes.length,
    connection: 'close',
  })
  response.end(bytes)
}

function splitOnce(text: string, at: string): [string, string] {
  const index = text.indexOf(at)
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)]
}
