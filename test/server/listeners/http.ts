import { request } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { systemClock } from '../../../server/src/core/clock.ts'
import type { HttpSettings } from '../../../server/src/core/http.ts'
import {
  type HttpListener,
  type HttpNote,
  type HttpOptions,
  type HttpPlan,
  httpListener,
} from '../../../server/src/listeners/http.ts'

/** The HTTP door of a test, and the ways to it. */

export const settings = (port: number, changes: Partial<HttpSettings> = {}): HttpSettings => ({
  listen: [{ host: '127.0.0.1', port }],
  public: undefined,
  tls: undefined,
  trustedProxies: [],
  services: undefined,
  ...changes,
})

/** A port that nobody has just now. */
export function freePort(host = '127.0.0.1'): Promise<number> {
  const probe = createServer()
  return new Promise((resolve, reject) => {
    probe.once('error', reject)
    probe.listen(0, host, () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}

export interface Door {
  readonly listener: HttpListener
  readonly port: number
  readonly notes: HttpNote[]
  readonly counts: Map<string, number>
}

export interface DoorOptions extends Partial<HttpOptions> {
  readonly secure?: HttpPlan['secure']
  readonly settings?: Partial<HttpSettings>
}

export async function makeDoor(options: DoorOptions = {}): Promise<Door> {
  const port = await freePort()
  const notes: HttpNote[] = []
  const counts = new Map<string, number>()
  const listener = httpListener({
    clock: systemClock,
    pause: async () => {},
    random: bytes => crypto.getRandomValues(new Uint8Array(bytes)),
    ownerOf: () => undefined,
    routes: [],
    report: note => notes.push(note),
    count: what => counts.set(what, (counts.get(what) ?? 0) + 1),
    ...options,
  })
  const { secure } = options
  const clientKeys = new Map()
  await listener.configure({ settings: settings(port, options.settings), secure, clientKeys })
  return { listener, port, notes, counts }
}

export interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export interface Sending {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Uint8Array
  readonly from?: string
}

/** One request over a connection of its own; `written` is called when all of it is under way. */
export function fetchFrom(port: number, path: string, sending: Sending = {}): Promise<Response> {
  const { method = 'GET', headers = {}, body, from } = sending
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        ...{ host: '127.0.0.1', port, path, method, agent: false },
        headers: { ...headers, ...(body !== undefined && { 'content-length': body.length }) },
        ...(from !== undefined && { localAddress: from }),
      },
      response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const { statusCode = 0, headers } = response
          resolve({ status: statusCode, headers, body: Buffer.concat(chunks) })
        })
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}

export const postForm = (
  port: number,
  fields: Record<string, string>,
  sending: Sending = {},
): Promise<Response> =>
  fetchFrom(port, '/', {
    method: 'POST',
    body: new URLSearchParams(fields).toString(),
    ...sending,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...sending.headers },
  })

export const postPacket = (port: number, datagram: Uint8Array): Promise<Response> =>
  fetchFrom(port, '/knock', {
    method: 'POST',
    body: datagram,
    headers: { 'content-type': 'application/octet-stream' },
  })

/** Types something blind, as with nc, and gives all that comes back until the end. */
export function typeBlind(port: number, text: string, half = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, '127.0.0.1')
    let heard = ''
    socket.on('data', chunk => {
      heard += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(heard))
    if (half) socket.end(text)
    else socket.write(text)
  })
}
