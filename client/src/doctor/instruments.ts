import type { Address, Result } from '@oneknock/shared'
import { type KnockOptions, knock } from '../index.ts'
import { knockOver } from '../knock.ts'
import type { KnockResult } from '../outcome.ts'
import { answers, type Endpoint } from '../probe.ts'
import { udp } from '../transport.ts'
import type { Unlocked } from '../unlocking.ts'
import { systemWorld } from '../world.ts'

/** How the doctor looks at the world. */
export interface Instruments {
  resolve(host: string): Promise<Result<readonly Address[], string>>
  /** This machine's address towards a server, or the system's word for why there is no way. */
  ownTowards(server: Address, port: number): Promise<Result<Address | undefined, string>>
  /** Asks the server for a reply. It changes nothing there, and takes no code. */
  call(server: Address): Promise<Called>
  /** The same through the server's HTTP door. */
  callOverHttp(url: string): Promise<Called>
  /** Whether one gets through to a service. */
  answers(endpoint: Endpoint): Promise<boolean>
}

export interface Called {
  readonly result: KnockResult
  /** From the packet that was answered, or the first one, to the reply. */
  readonly roundTripMs: number
}

/** No administrator would call a service so. To close it needs no code, and closes nothing. */
const NO_SERVICE = 'the-doctor-only-asks'

export const instrumentsFor = ({ port, key }: Unlocked): Instruments => ({
  resolve: udp.resolve,
  ownTowards: async (server, serverPort) => {
    const route = await udp.connect(server, serverPort)
    if (!route.ok) return route
    route.value.close()
    return { ok: true, value: route.value.own }
  },
  call: server => called(options => knock({ host: server, port, key }, options)),
  callOverHttp: async url => {
    const way = (await import('../http.ts')).httpWay(url)
    return called(options => knockOver(systemWorld, way, key, options))
  },
  answers,
})

async function called(ask: (options: KnockOptions) => Promise<KnockResult>): Promise<Called> {
  let sentAt = performance.now()
  const result = await ask({
    verb: 'close',
    services: [NO_SERVICE],
    on: ({ type }) => {
      if (type === 'sent') sentAt = performance.now()
    },
  })
  return { result, roundTripMs: performance.now() - sentAt }
}
