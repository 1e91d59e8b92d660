import { type ClientRequest, request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { type Address, fail, ok, parseAddress, REPLY_BYTES, type Result } from '@oneknock/shared'
import type { HttpWay } from './knock.ts'
import { type Ears, type Route, type Transport, udp } from './transport.ts'

/** For one packet and its answer; a busy server, or TLS over a slow link, takes a second or two. */
const REQUEST_MS = 5_000

/** A packet that is not answered gets what everything gets that is not there. */
const SILENCE = 404

/**
 * Packets by POST to the server's HTTP door, for networks that let no UDP out. With https the server
 * shows a certificate that this machine's authorities vouch for, whatever the packet is sealed with.
 */
export function httpWay(url: string): HttpWay {
  const { protocol, hostname, port } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const number = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
  const transport: Transport = {
    resolve: udp.resolve,
    onLink: udp.onLink,
    connect: server => connect(new URL(`${url}/knock`), host, server, number),
  }
  return { transport, host, port: number }
}

/** A datagram would leave from the same address as a connection does: so it is known before there is one. */
async function connect(
  url: URL,
  host: string,
  server: Address,
  port: number,
): Promise<Result<Route, string>> {
  const probe = await udp.connect(server, port)
  if (!probe.ok) return probe
  const { own } = probe.value
  probe.value.close()
  return ok(new HttpRoute(url, host, { server, own, port }))
}

interface Place {
  readonly server: Address
  readonly own: Address | undefined
  readonly port: number
}

class HttpRoute implements Route {
  readonly server: Address
  readonly own: Address | undefined
  readonly #url: URL
  readonly #host: string
  readonly #port: number
  #ears: Ears | undefined
  #request: ClientRequest | undefined
  /** The latest packet that waits for the one before it to be done. */
  #waiting: Uint8Array | undefined

  constructor(url: URL, host: string, { server, own, port }: Place) {
    this.#url = url
    this.#host = host
    this.server = server
    this.own = own
    this.#port = port
  }

  listen(ears: Ears): void {
    this.#ears = ears
  }

  /** TCP repeats what is lost by itself: one at a time is enough, and the last is the one that counts. */
  send(datagram: Uint8Array): void {
    if (this.#request) this.#waiting = datagram
    else void this.#exchange(datagram)
  }

  close(): void {
    this.#ears = undefined
    this.#waiting = undefined
    this.#request?.destroy()
  }

  async #exchange(datagram: Uint8Array): Promise<void> {
    const answer = await this.#post(datagram)
    this.#request = undefined
    const next = this.#waiting
    this.#waiting = undefined
    if (answer.ok) this.#ears?.datagram(answer.value)
    else if (answer.error !== undefined) this.#ears?.trouble(answer.error)
    if (next && this.#ears) this.send(next)
  }

  /** The reply; or why there is none, nothing if that is silence. */
  #post(datagram: Uint8Array): Promise<Result<Uint8Array, string | undefined>> {
    const { protocol, pathname, host } = this.#url
    const isTls = protocol === 'https:'
    const options = {
      ...{ host: this.server, port: this.#port, path: pathname, method: 'POST', agent: false },
      // An address has no name to show a certificate for, but its own.
      ...(isTls && !parseAddress(this.#host) && { servername: this.#host }),
      headers: {
        host,
        'content-type': 'application/octet-stream',
        'content-length': datagram.length,
      },
      signal: AbortSignal.timeout(REQUEST_MS),
    } as const
    return new Promise(settle => {
      const asked = (isTls ? requestTls : requestPlain)(options, response => {
        const chunks: Buffer[] = []
        let length = 0
        response.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > REPLY_BYTES) response.destroy()
          else chunks.push(chunk)
        })
        response.on('error', error => settle(fail(causeOf(error))))
        response.on('close', () => {
          const { statusCode } = response
          if (statusCode === SILENCE) settle(fail(undefined))
          else if (statusCode !== 200) settle(fail(`HTTP ${statusCode}`))
          else settle(ok(Buffer.concat(chunks)))
        })
      })
      this.#request = asked
      asked.on('error', error => settle(fail(causeOf(error))))
      asked.end(datagram)
    })
  }
}

const causeOf = (error: NodeJS.ErrnoException): string =>
  error.name === 'AbortError' || error.name === 'TimeoutError'
    ? 'ETIMEDOUT'
    : (error.code ?? error.message)
