import { createServer, type Server } from 'node:net'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { buildDaemon } from '../e2e/daemon.ts'
import { Knocker } from './knocker.ts'
import { Site, type SiteOptions } from './site.ts'

export interface Sites {
  /** A daemon that has not been started. It is gone after the test. */
  site(options: Omit<SiteOptions, 'program'>): Site
  /** Sends packets to it from that address of loopback. */
  knocker(site: Site, from?: string): Promise<Knocker>
  /** Answers each connection with that text and ends it. */
  service(host: string, port: number, text: string): Promise<Server>
}

/** Real daemons for the tests of one file. */
export function useSites(): Sites {
  let program: Awaited<ReturnType<typeof buildDaemon>> | undefined
  const ends: (() => unknown)[] = []
  beforeAll(async () => {
    program = await buildDaemon()
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })
  afterAll(() => program?.remove())
  return {
    site(options) {
      const site = new Site({ program: program!.path, ...options })
      ends.push(() => site.destroy())
      return site
    },
    async knocker(site, from = '127.5.5.5') {
      const knocker = await Knocker.at(from, site)
      ends.push(() => knocker.close())
      return knocker
    },
    async service(host, port, text) {
      const server = createServer(socket => {
        socket.on('error', () => {})
        socket.end(text)
      })
      await new Promise<void>(resolve => server.listen(port, host, resolve))
      ends.push(() => new Promise(resolve => server.close(resolve)))
      return server
    },
  }
}
