import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import type { Echo } from '../echo.ts'
import type { Knocker } from '../knocker.ts'
import type { Range, Shot } from '../knocking/shot.ts'
import { type Child, startChild } from './children.ts'
import { startFwknopd } from './fwknop.ts'
import { makeNetwork } from './netns.ts'

/** The same network and service as `nftablesSite`, with fwknopd at the door. */
export interface FwknopSite extends Range {
  readonly knocker: Child<Knocker>
  shots(from: number, to: number): Shot[]
  stop(): Promise<void>
}

const SERVICE_PORT = 9_999

export async function fwknopSite(folder: string, sources: number): Promise<FwknopSite> {
  mkdirSync(folder, { recursive: true })
  const network = makeNetwork(sources)
  const { serverAddress: host, client, server, source } = network
  const started: { stop(): Promise<void> }[] = []
  const stop = async () => {
    await Promise.all(started.map(child => child.stop()))
    network.remove()
  }
  try {
    const [command, ...words] = [
      ...server,
      ...['iptables', '-A', 'INPUT', '-p', 'udp', '--dport', `${SERVICE_PORT}`, '-j', 'DROP'],
    ]
    execFileSync(command!, words)
    const fwknopd = await startFwknopd(folder, network, 1)
    started.push(fwknopd)
    const echo = await startChild<Echo>('echo', { side: 'sender', through: server })
    started.push(echo)
    await echo.ask('listen', { host, port: SERVICE_PORT })
    const knocker = await startChild<Knocker>('knocker', { side: 'sender', through: client })
    started.push(knocker)
    return {
      host,
      port: fwknopd.port,
      door: { protocol: 'udp', host, port: SERVICE_PORT },
      knocker,
      shots: (from, to) =>
        Array.from({ length: to - from }, (_, i) => fwknopd.shot(source(from + i), SERVICE_PORT)),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
