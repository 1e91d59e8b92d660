import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** What a test lets it answer: a status, nothing ever, or another place to go. */
export type HttpAnswer = number | 'hang' | { readonly location: string }

/** An HTTP server that takes down what it is sent. Where it stands in for ntfy, that is a stand-in. */
export class Receiver {
  readonly received: Received[] = []
  answers: HttpAnswer[] = []
  url = ''
  readonly #server: Server

  private constructor() {
    this.#server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      this.received.push({ path: request.url!, headers: request.headers, body })
      const answer = this.answers.shift() ?? 200
      if (answer === 'hang') return
      if (typeof answer === 'number') response.writeHead(answer)
      else response.writeHead(307, { location: answer.location })
      response.end('{}')
    })
  }

  static async start(): Promise<Receiver> {
    const receiver = new Receiver()
    receiver.#server.listen(0, '127.0.0.1')
    await once(receiver.#server, 'listening')
    receiver.url = `http://127.0.0.1:${(receiver.#server.address() as AddressInfo).port}`
    return receiver
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
