import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type Parameters, signatureOf } from '../../../server/src/validation/protocol.ts'

export const API_KEY = Buffer.from('12345678901234567890')

/** What a stand-in for a validation server does with a request; it can be made to lie. */
export type Behaviour = (asked: Parameters, response: ServerResponse) => void

/** An answer of this status, signed with this key, with whatever else is changed in it. */
export const says =
  (status: string, changes: Parameters = {}, key: Uint8Array | 'none' = API_KEY): Behaviour =>
  ({ otp = '', nonce = '' }, response) => {
    const answer: Parameters = { t: '2026-11-28T05:00:00Z0000', otp, nonce, sl: '100', status }
    const told = { ...answer, ...changes }
    const h = key === 'none' ? '' : signatureOf(told, key)
    const lines = Object.entries({ h, ...told }).map(([name, value]) => `${name}=${value}\r\n`)
    response.end(lines.join(''))
  }

export const silent: Behaviour = () => {}

/** No validation server, but a stand-in for one, on loopback. */
export class StandIn {
  readonly #server: Server
  readonly requests: Parameters[] = []
  behaviour: Behaviour

  private constructor(behaviour: Behaviour) {
    this.behaviour = behaviour
    this.#server = createServer((request, response) => {
      const asked = Object.fromEntries(new URL(request.url!, 'http://localhost').searchParams)
      this.requests.push(asked)
      this.behaviour(asked, response)
    })
  }

  static async start(behaviour: Behaviour = says('OK')): Promise<StandIn> {
    const standIn = new StandIn(behaviour)
    standIn.#server.listen(0, '127.0.0.1')
    await once(standIn.#server, 'listening')
    return standIn
  }

  get url(): string {
    const { port } = this.#server.address() as { port: number }
    return `http://127.0.0.1:${port}/wsapi/2.0/verify`
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}
