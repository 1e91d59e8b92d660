import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import type { RouterSettings, RouterTrust } from '../../core/directory.ts'
import { Slots } from '../slots.ts'

export interface RouterRequest {
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'DELETE' | 'POST'
  /** Below `/rest`, with its query. */
  readonly path: string
  readonly body?: Readonly<Record<string, string>>
}

export interface RouterAnswer {
  readonly status: number
  readonly text: string
}

/** Brings one request to the router. Rejects with a `RouterError`; what the router did then is unknown. */
export type Transport = (request: RouterRequest) => Promise<RouterAnswer>

export type RouterErrorCode =
  | 'unreachable'
  | 'timeout'
  | 'untrusted'
  | 'login'
  | 'permission'
  | 'duplicate'
  | 'absent'
  | 'refused'
  | 'nonsense'

export class RouterError extends Error {
  readonly code: RouterErrorCode

  constructor(code: RouterErrorCode, message: string) {
    super(message)
    this.name = 'RouterError'
    this.code = code
  }
}

/** Milliseconds for one request. The router itself gives up after 60 s; people do sooner. */
const REQUEST_LIMIT = 10_000
/** A small router has few sessions for its web service; the others wait. */
const REQUESTS_AT_ONCE = 4
/** Milliseconds to wait for one's turn. */
const WAIT_LIMIT = 20_000
/** Bytes: ten thousand entries of an address list. */
const ANSWER_MOST = 4_194_304

export interface HttpsParts {
  readonly settings: RouterSettings
  readonly password: () => string
  readonly limit?: number
}

/** A connection for each request: routers have few to keep, and requests are rare. */
export function httpsTransport({
  settings,
  password,
  limit = REQUEST_LIMIT,
}: HttpsParts): Transport {
  const { url } = settings
  const slots = new Slots(REQUESTS_AT_ONCE, WAIT_LIMIT)
  const late = () =>
    new RouterError(
      'timeout',
      `router ${url} is busy with ${REQUESTS_AT_ONCE} requests that do not end`,
    )
  return asked => slots.use(() => ask({ settings, password, limit }, asked), late)
}

async function ask(
  { settings, password, limit }: Required<HttpsParts>,
  { method, path, body }: RouterRequest,
): Promise<RouterAnswer> {
  const { url, user, trust } = settings
  const over = new AbortController()
  const timer = setTimeout(() => over.abort(), limit)
  try {
    const socket = await openSocket(url, trust, over.signal)
    const basic = Buffer.from(`${user}:${password()}`).toString('base64')
    const headers = { authorization: `Basic ${basic}`, 'content-type': 'application/json' }
    const text = body && JSON.stringify(body)
    return await exchange(socket, { host: new URL(url).host, method, path, headers }, text)
  } catch (error) {
    if (error instanceof RouterError) throw error
    if (over.signal.aborted) {
      throw new RouterError('timeout', `router ${url} did not answer within ${limit / 1000} s`)
    }
    const { code = '', message } = error as NodeJS.ErrnoException
    throw new RouterError('unreachable', `router ${url} cannot be reached (${code || message})`)
  } finally {
    clearTimeout(timer)
    over.abort()
  }
}

/** Nothing is said, least of all the password, before the router has proven who it is. */
async function openSocket(
  url: string,
  trust: RouterTrust,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { hostname, port } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const socket = connect({
    host,
    port: Number(port || 443),
    ...(isIP(host) === 0 && { servername: host }),
    // A pinned certificate vouches for itself; it is compared below.
    rejectUnauthorized: trust.kind === 'ca',
    ...(trust.kind === 'ca' && { ca: readAuthority(trust.file) }),
  })
  signal.addEventListener('abort', () => socket.destroy(new Error('aborted')), { once: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', error =>
      reject(isOfCertificate(error) ? stranger(url, error.message) : error),
    )
  })
  socket.on('error', () => {})
  if (trust.kind === 'fingerprint') {
    const { raw } = socket.getPeerCertificate()
    const found = raw ? createHash('sha256').update(raw).digest('hex') : 'none'
    if (found !== trust.sha256) {
      socket.destroy()
      throw stranger(url, `its fingerprint is ${found}`)
    }
  }
  return socket
}

function exchange(
  socket: TLSSocket,
  head: { host: string; method: string; path: string; headers: Record<string, string> },
  body: string | undefined,
): Promise<RouterAnswer> {
  return new Promise((resolve, reject) => {
    const { host, method, path, headers } = head
    const asked = request({
      createConnection: () => socket,
      method,
      path: `/rest${path}`,
      headers: { ...headers, host, connection: 'close' },
    })
    asked.once('error', reject)
    asked.once('response', response => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size > ANSWER_MOST) socket.destroy(new Error(`more than ${ANSWER_MOST} bytes`))
      })
      response.once('error', reject)
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      )
    })
    asked.end(body)
  })
}

function readAuthority(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new RouterError('untrusted', `ca cannot be read: ${(error as Error).message}`)
  }
}

const isOfCertificate = ({ code = '' }: NodeJS.ErrnoException): boolean =>
  /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|ERR_TLS/.test(code)

const stranger = (url: string, why: string): RouterError =>
  new RouterError(
    'untrusted',
    `router ${url} is not the one that the configuration trusts (${why}); compare it with /certificate/print on the router, then change fingerprint or ca`,
  )
