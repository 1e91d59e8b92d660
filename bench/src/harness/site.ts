import { mkdirSync } from 'node:fs'
import type { Echo } from '../echo.ts'
import type { Knocker } from '../knocker.ts'
import type { Range, Shot } from '../knocking/shot.ts'
import { type Child, startChild } from './children.ts'
import { Company } from './company.ts'
import { type RunningDaemon, startDaemon } from './daemons.ts'
import { hasProgram } from './machine.ts'
import { lacksNetns, makeNetwork, type Network } from './netns.ts'
import { knockOf } from './packets.ts'
import { loopback } from './sources.ts'
import { freePorts, gateDoor, makeWorld, type World } from './world.ts'

/** Everything that a knock passes: who knocks, the daemon, and the service behind its door. */
export interface Site extends Range {
  readonly world: World
  readonly daemon: RunningDaemon
  readonly knocker: Child<Knocker>
  /** Commands that run what follows them where clients are, and where the daemon is. */
  readonly clientSide: readonly string[]
  readonly serverSide: readonly string[]
  /** One of the clients' many addresses. */
  source(number: number): string
  /** The packets of these users, each from an address of its own; `lifetime` in seconds, if not the service's. */
  shots(from: number, to: number, lifetime?: number): Shot[]
  stop(): Promise<void>
}

/** Knocks come from many addresses, and elsewhere the loopback interface has one. */
export const lacksLoopback = (): string | undefined =>
  process.platform === 'linux' ? undefined : 'not Linux, so no 127.0.0.0/8'

export const lacksNft = (): string | undefined =>
  lacksNetns() ?? (hasProgram('nft') ? undefined : 'no nft (nftables)')

const SERVICE_PORT = 9_999

/** The embedded gate on the loopback interface: every platform, no root. */
export async function gateSite(folder: string, users: number): Promise<Site> {
  mkdirSync(folder, { recursive: true })
  const [port, gate, service] = (await freePorts(3)) as [number, number, number]
  const world = makeWorld({
    folder,
    users,
    door: gateDoor(`127.0.0.1:${gate}`, `127.0.0.1:${service}`),
    backend: 'gate',
    port,
  })
  const door = { protocol: 'tcp', host: '127.0.0.1', port: gate } as const
  return peopled(world, service, { host: '127.0.0.1', port, door }, loopback)
}

/** The kernel's firewall, between two network namespaces. */
export async function nftablesSite(folder: string, users: number): Promise<Site> {
  mkdirSync(folder, { recursive: true })
  const network = makeNetwork(users)
  const { serverAddress: host } = network
  const port = 62_201
  const world = makeWorld({
    folder,
    users,
    door: `lifetime = "1h"\nports = ["udp/${SERVICE_PORT}"]`,
    backend: 'nftables',
    host,
    port,
  })
  const door = { protocol: 'udp', host, port: SERVICE_PORT } as const
  return peopled(world, SERVICE_PORT, { host, port, door }, network.source, network)
}

async function peopled(
  world: World,
  servicePort: number,
  range: Range,
  source: (number: number) => string,
  network?: Network,
): Promise<Site> {
  const clientSide = network?.client ?? []
  const serverSide = network?.server ?? []
  const company = new Company()
  const stop = async () => {
    await company.stop()
    network?.remove()
  }
  try {
    const [daemon, knocker, echo] = await Promise.all([
      company.add(startDaemon(world, { through: serverSide })),
      company.add(startChild<Knocker>('knocker', { side: 'sender', through: clientSide })),
      // Not beside the daemon, which has its answer to seal when the first look comes through.
      company.add(startChild<Echo>('echo', { side: 'sender', through: serverSide })),
    ])
    await echo.ask('listen', { host: range.host, port: servicePort })
    const shots = (from: number, to: number, lifetime = 0) =>
      world.users.slice(from, to).map((user, i) => ({
        source: source(from + i),
        datagram: knockOf(user, { lifetime }).datagram,
      }))
    return { ...range, world, daemon, knocker, clientSide, serverSide, source, shots, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
