import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Reply } from '@oneknock/shared'
import { answer, FakeServer, type Received } from './fake-server.ts'
import { type Home, invitation } from './run.ts'

/** How a shut door meets who comes: nobody listens, or a gate hangs up. */
export type Shut = 'refuses' | 'hangs up'

/** A service behind a door, and the server that opens it. On loopback, so there is no firewall: see e2e. */
export class House {
  readonly port: number
  readonly server: FakeServer
  readonly #shut: Shut
  readonly #service: Server
  #isOpen = false
  /** What the server says to a knock; nothing is silence. */
  says: (received: Received, house: House) => Partial<Reply> | undefined = () => ({})
  /** Connections that the service has taken. */
  visits = 0

  static async build(shut: Shut, serve: (visitor: Socket) => void): Promise<House> {
    const service = createServer({ allowHalfOpen: true })
    service.listen(0, '127.0.0.1')
    await once(service, 'listening')
    const { port } = service.address() as AddressInfo
    const house: { built?: House } = {}
    const server = await FakeServer.start(['127.0.0.1'], received => house.built!.#hear(received))
    house.built = new House(port, server, service, shut)
    service.on('connection', visitor => {
      visitor.on('error', () => {})
      if (!house.built!.#isOpen) return visitor.resetAndDestroy()
      house.built!.visits++
      return serve(visitor)
    })
    if (shut === 'refuses') {
      service.close()
      await once(service, 'close')
    }
    return house.built
  }

  private constructor(port: number, server: FakeServer, service: Server, shut: Shut) {
    this.port = port
    this.server = server
    this.#service = service
    this.#shut = shut
  }

  /** How many knocks there were, of however many packets. */
  get knocks(): number {
    return new Set(this.server.received.map(({ knock }) => knock.knockId)).size
  }

  /** Lets everybody in. */
  async open(): Promise<void> {
    this.#isOpen = true
    if (this.#service.listening) return
    this.#service.listen(this.port, '127.0.0.1')
    await once(this.#service, 'listening')
  }

  async shut(): Promise<void> {
    this.#isOpen = false
    if (this.#shut === 'hangs up' || !this.#service.listening) return
    await new Promise(resolve => this.#service.close(resolve))
  }

  /** A target of this name leads here. */
  async invite(home: Home, name = 'home', ...flags: readonly string[]): Promise<void> {
    const text = invitation({ port: this.server.port })
    const added = await home.run(['add', '--name', name, ...flags], text)
    if (added.status !== 0) throw new Error(added.stderr)
  }

  async demolish(): Promise<void> {
    await this.server.stop()
    if (this.#service.listening) this.#service.close()
  }

  #hear(received: Received): readonly Uint8Array[] {
    const said = this.says(received, this)
    if (!said) return []
    const isOpening = (said.status ?? 'opened') === 'opened'
    if (isOpening && !this.#isOpen) {
      const mustBegin = this.#shut === 'refuses'
      void this.open()
      // Answered when it comes again: by then somebody listens.
      if (mustBegin) return []
    }
    return [answer(received, said)]
  }
}

/** Says back what it hears, and hangs up when it has heard all. */
export const echo = (visitor: Socket): void => void visitor.pipe(visitor)
