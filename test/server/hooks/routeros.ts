import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseNetwork } from '@oneknock/shared'
import { expect } from 'vitest'
import type { RouterOpens, RouterSettings, Service } from '../../../server/src/core/directory.ts'
import type { Opening } from '../../../server/src/core/openings.ts'
import { HookError } from '../../../server/src/hooks/hook.ts'
import { RouterOsHook, type RouterOsParts } from '../../../server/src/hooks/routeros.ts'
import { ManualClock } from './clock.ts'
import { FakeRouterOs } from './fake-routeros.ts'
import { service } from './service.ts'

export const IPV4_LIST = '/ip/firewall/address-list'
export const SECOND = 1_000

export const API_PASSWORD = 'api-password-5b1d'

export const router = (opens: RouterOpens, own: Partial<RouterSettings> = {}): RouterSettings => ({
  url: 'https://192.0.2.1',
  user: 'oneknock',
  password: { kind: 'environment', variable: 'OKH_ROUTER' },
  trust: { kind: 'fingerprint', sha256: '0'.repeat(64) },
  opens,
  ...own,
})

export const list = (name = 'oneknock'): RouterOpens => ({ kind: 'list', list: name })
export const login: RouterOpens = { kind: 'login', group: 'write', deliver: 'post' }

export const onRouter = (
  name: string,
  opens: RouterOpens,
  settings: Partial<RouterSettings> = {},
  own: Partial<Service> = {},
): Service => service(name, { routeros: router(opens, settings), ...own })

/** A letter as it was delivered. */
export interface Delivered {
  readonly channel: string
  readonly user: string
  readonly name: string
  readonly password: string
  readonly title: string
  readonly text: string
}

export function readLetter(
  channel: string,
  user: string,
  { title, text }: { readonly title: string; readonly text: string },
): Delivered {
  const [, name = ''] = /^name: (.*)$/m.exec(text) ?? []
  const [, password = ''] = /^password: (.*)$/m.exec(text) ?? []
  return { channel, user, name, password, title, text }
}

/** A hook that is not started. */
export const makeHook = (
  parts: Partial<RouterOsParts> & Pick<RouterOsParts, 'services' | 'clock' | 'state'>,
): RouterOsHook =>
  new RouterOsHook({
    log: () => {},
    readSecret: () => API_PASSWORD,
    deliver: async () => {},
    ...parts,
  })

export const scratch = () => mkdtempSync(join(tmpdir(), 'okh-router-'))

/** A router, and what becomes of the hooks that speak to it. */
export class RouterHouse {
  readonly folder = scratch()
  readonly clock = new ManualClock()
  readonly fake = new FakeRouterOs(this.clock)
  readonly lines: string[] = []
  readonly delivered: Delivered[] = []
  readonly #hooks: RouterOsHook[] = []

  async remove(): Promise<void> {
    for (const hook of this.#hooks) await hook.stop()
    await this.fake.close()
    rmSync(this.folder, { recursive: true })
  }

  async start(
    services: readonly Service[] = [onRouter('lan', list())],
    parts: Partial<RouterOsParts> = {},
  ): Promise<RouterOsHook> {
    const hook = makeHook({
      services,
      clock: this.clock,
      state: this.folder,
      log: (_, line) => this.lines.push(line),
      deliver: async (channel, user, letter) => {
        this.delivered.push(readLetter(channel, user, letter))
      },
      transport: () => this.fake.transport(),
      ...parts,
    })
    this.#hooks.push(hook)
    await hook.start()
    await hook.repair()
    return hook
  }

  door(own: Partial<Opening> = {}): Opening {
    const network = parseNetwork('203.0.113.7')!
    return { service: 'lan', network, until: this.clock.now() + 600 * SECOND, ...own }
  }

  annas(own: Partial<Opening> = {}): Opening {
    return this.door({ user: 'anna', ...own })
  }

  records(): string[] {
    return readdirSync(join(this.folder, 'routeros')).filter(file => file.endsWith('.json'))
  }
}

export const withLogins = (own: Partial<Service> = {}) => [onRouter('lan', login, {}, own)]

export async function rejected(work: Promise<unknown>): Promise<HookError> {
  const error = await work.then(
    () => expect.unreachable('it succeeded'),
    error => error,
  )
  expect(error).toBeInstanceOf(HookError)
  return error
}
