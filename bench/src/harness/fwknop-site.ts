import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import type { Echo } from '../echo.ts'
import type { Knocker } from '../knocker.ts'
import type { Range, Shot } from '../knocking/shot.ts'
import { type Child, startChild } from './children.ts'
import { Company } from './company.ts'
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
  const company = new Company()
  const stop = async () => {
    await company.stop()
    network.remove()
  }
  try {
    const [command, ...words] = [
      ...server,
      ...['iptables', '-A', 'INPUT', '-p', 'udp', '--dport', `${SERVICE_PORT}`, '-j', 'DROP'],
    ]
    execFileSync(command!, words)
    const [fwknopd, echo, knocker] = await Promise.all([
      company.add(startFwknopd(folder, network, 1)),
      company.add(startChild<Echo>('echo', { side: 'sender', through: server })),
      company.add(startChild<Knocker>('knocker', { side: 'sender', through: client })),
    ])
    await echo.ask('listen', { host, port: SERVICE_PORT })
    return {
      host,
      port: fwknopd.port,
      door: { protocol: 'udp', host, port: SERVICE_PORT },
      knocker,
      shots(from, to) {
        const sources = Array.from({ length: to - from }, (_, i) => source(from + i))
        return fwknopd.shots(sources, SERVICE_PORT)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
