import { afterAll, afterEach, beforeAll } from 'vitest'
import type { Endpoint } from '../../server/src/core/directory.ts'
import { greeter } from '../crash/doors.ts'
import { buildDaemon } from '../e2e/daemon.ts'
import { Knocker } from './knocker.ts'
import { Site, type SiteOptions } from './site.ts'

export interface Sites {
  /** A daemon that has not been started. It is gone after the test. */
  site(options: Omit<SiteOptions, 'program'>): Site
  /** Sends packets to it from that address of loopback. */
  knocker(site: Endpoint, from?: string): Promise<Knocker>
  /** What stands behind its gates: says that one is in, and hangs up. */
  greet(site: Site, port?: number): Promise<void>
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
    async greet(site, port = 80) {
      const server = await greeter(site.host, port)
      ends.push(() => server.close())
    },
  }
}
