import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseNetwork } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { RouterOpens, Service } from '../../../server/src/core/directory.ts'
import type { Opening } from '../../../server/src/core/openings.ts'
import { HookError } from '../../../server/src/hooks/hook.ts'
import type { RouterOsHook, RouterOsParts } from '../../../server/src/hooks/routeros.ts'
import { ManualClock } from './clock.ts'
import { hookConformance } from './conformance.ts'
import { FakeRouterOs, type Fault } from './fake-routeros.ts'
import {
  API_PASSWORD,
  type Delivered,
  list,
  login,
  makeHook,
  onRouter,
  readLetter,
  type router,
} from './routeros.ts'
import { service } from './service.ts'

const IPV4_LIST = '/ip/firewall/address-list'
const IPV6_LIST = '/ipv6/firewall/address-list'
const SECOND = 1_000

interface Connected extends Pick<Partial<RouterOsParts>, 'transport'> {
  readonly settings?: Parameters<typeof router>[1]
}

const scratch = () => mkdtempSync(join(tmpdir(), 'okh-router-'))

async function conformant(
  doors: readonly [RouterOpens, RouterOpens],
  connect: (fake: FakeRouterOs, folder: string) => Promise<Connected>,
) {
  const [folder, clock] = [scratch(), new ManualClock()]
  const fake = new FakeRouterOs(clock)
  const { settings, ...parts } = await connect(fake, folder)
  const services = ['lan', 'admin'].map((name, i) => onRouter(name, doors[i]!, settings))
  const hook = makeHook({ services, clock, state: folder, ...parts })
  await hook.start()
  return {
    hook,
    clock,
    services: ['lan', 'admin'] as const,
    passTime: async (until: number) => clock.advance(until + 1 - clock.now()),
    cleanup: async () => {
      await hook.stop()
      await fake.close()
      rmSync(folder, { recursive: true })
    },
  }
}

const overTls = async (fake: FakeRouterOs, folder: string): Promise<Connected> => {
  const { url, sha256 } = await fake.listen(folder)
  return { settings: { url, trust: { kind: 'fingerprint', sha256 } } }
}
const inProcess = async (fake: FakeRouterOs): Promise<Connected> => ({
  transport: () => fake.transport(),
})

hookConformance(
  'routeros, address lists over TLS',
  () => conformant([list('a'), list('b')], overTls),
  { tolerance: SECOND },
)
hookConformance(
  'routeros, logins',
  async () => ({ ...(await conformant([login, login], inProcess)), user: 'anna' }),
  { endsOnlyByClose: true },
)

describe('routeros', () => {
  let folder: string
  let clock: ManualClock
  let fake: FakeRouterOs
  let lines: string[]
  let delivered: Delivered[]
  let hooks: RouterOsHook[]

  beforeEach(() => {
    folder = scratch()
    clock = new ManualClock()
    fake = new FakeRouterOs(clock)
    lines = []
    delivered = []
    hooks = []
  })
  afterEach(async () => {
    for (const hook of hooks) await hook.stop()
    await fake.close()
    rmSync(folder, { recursive: true })
  })

  async function start(
    services: readonly Service[] = [onRouter('lan', list())],
    parts: Partial<RouterOsParts> = {},
  ): Promise<RouterOsHook> {
    const hook = makeHook({
      services,
      clock,
      state: folder,
      log: (_, line) => lines.push(line),
      deliver: async (channel, user, letter) => {
        delivered.push(readLetter(channel, user, letter))
      },
      transport: () => fake.transport(),
      ...parts,
    })
    hooks.push(hook)
    await hook.start()
    await hook.repair()
    return hook
  }

  const door = (own: Partial<Opening> = {}): Opening => ({
    service: 'lan',
    network: parseNetwork('203.0.113.7')!,
    until: clock.now() + 600 * SECOND,
    ...own,
  })
  const annas = (own: Partial<Opening> = {}) => door({ user: 'anna', ...own })
  const withLogins = (own: Partial<Service> = {}) => [onRouter('lan', login, {}, own)]

  const records = () => readdirSync(join(folder, 'routeros')).filter(file => file.endsWith('.json'))

  const rejected = async (work: Promise<unknown>): Promise<HookError> => {
    const error = await work.then(
      () => expect.unreachable('it succeeded'),
      error => error,
    )
    expect(error).toBeInstanceOf(HookError)
    return error
  }

  describe('an address list', () => {
    it('holds an entry with a timeout and a comment that says whose it is', async () => {
      const hook = await start()
      await hook.open(door())
      await hook.open(door({ network: parseNetwork('2001:db8::7')! }))
      expect(fake.items(IPV4_LIST)).toEqual([
        expect.objectContaining({
          list: 'oneknock',
          address: '203.0.113.7',
          timeout: '10m',
          comment: expect.stringMatching(
            /^oneknock [0-9a-f]{16} lan from 203\.0\.113\.7 until 2027-01-15T08:10:00\.000Z$/,
          ),
        }),
      ])
      expect(fake.items(IPV6_LIST)).toMatchObject([{ address: '2001:db8::7/128', timeout: '10m' }])
    })

    it('is put back after the router started anew, with the time that is left', async () => {
      const hook = await start()
      await hook.open(door())
      await hook.open(
        door({ network: parseNetwork('2001:db8::/64')!, until: clock.now() + 60 * SECOND }),
      )
      clock.advance(61 * SECOND)
      fake.reboot()
      expect(await hook.list()).toEqual([])
      await hook.repair()
      expect(await hook.list()).toEqual([door({ until: clock.now() + 539 * SECOND })])
      await hook.close(door())
      fake.reboot()
      await hook.repair()
      expect(await hook.list()).toEqual([])
    })

    it('is looked after without anybody asking', async () => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
      try {
        const hook = await start()
        await hook.open(door())
        fake.reboot()
        vi.advanceTimersByTime(30_000)
        await vi.waitFor(() => expect(fake.items(IPV4_LIST)).toHaveLength(1))
        await hook.stop()
        fake.reboot()
        vi.advanceTimersByTime(30_000)
        await new Promise(resolve => setImmediate(resolve))
        expect(fake.items(IPV4_LIST)).toEqual([])
      } finally {
        vi.useRealTimers()
      }
    })

    it('is known to the next daemon, which takes away what is not wanted', async () => {
      const first = await start()
      await first.open(door())
      await first.stop()
      const second = await start()
      await second.repair()
      const [held] = await second.list()
      expect(held).toEqual(door())
      await second.close(held!)
      expect(fake.items(IPV4_LIST)).toEqual([])
    })

    it('takes away what came through late', async () => {
      const hook = await start()
      fake.faults = [undefined, 'late']
      expect(await rejected(hook.open(door()))).toMatchObject({ code: 'timeout' })
      await hook.close(door())
      fake.comeThrough()
      expect(fake.items(IPV4_LIST)).toHaveLength(1)
      await hook.repair()
      expect(fake.items(IPV4_LIST)).toEqual([])
    })

    it('leaves entries of others alone, and does not count on them', async () => {
      const hook = await start()
      const others = { list: 'oneknock', address: '203.0.113.7', comment: 'the office' }
      fake.add(IPV4_LIST, others)
      expect((await rejected(hook.open(door()))).message).toContain('not by oneknock; remove it')
      await hook.close(door())
      await hook.repair()
      expect(fake.items(IPV4_LIST)).toMatchObject([others])
    })

    it('replaces an entry that the router will not change', async () => {
      const hook = await start()
      await hook.open(door())
      fake.faults = [undefined, 'error in 200']
      await hook.open(door({ until: clock.now() + 60 * SECOND }))
      expect(fake.items(IPV4_LIST)).toMatchObject([{ timeout: '1m' }])
    })

    it.each<[Fault, HookError['code'], RegExp]>([
      ['down', 'unavailable', /is down/],
      ['hang', 'timeout', /did not answer/],
      ['error in 200', 'failed', /something odd/],
      ['no permission', 'failed', /not enough permissions \(9\).*needs read, write and rest-api/],
      ['nonsense', 'failed', /Bad gateway/],
      ['reboot', 'unavailable', /is down/],
    ])('says what is wrong when the router answers: %s', async (fault, code, message) => {
      const hook = await start()
      fake.faults = [undefined, fault]
      const error = await rejected(hook.open(door()))
      expect(error).toMatchObject({ code })
      expect(error.message).toMatch(message)
      expect(await hook.list()).toEqual([])
      await hook.open(door())
      expect(await hook.list()).toHaveLength(1)
    })

    it('does not believe what it cannot read back', async () => {
      const hook = await start()
      fake.faults = [undefined, 'lie', undefined, undefined, 'lie', undefined, undefined, 'lie']
      expect((await rejected(hook.open(door()))).message).toContain('does not hold it')
      fake.faults = [undefined, 'lie']
      await hook.open(door())
      expect(await hook.list()).toHaveLength(1)
      fake.faults = [undefined, 'lie']
      expect((await rejected(hook.close(door()))).message).toContain('still has')
    })
  })

  describe('a login', () => {
    it('is made, delivered and taken away', async () => {
      const hook = await start(withLogins())
      await hook.open(annas())
      const [letter] = delivered
      expect(letter).toMatchObject({ channel: 'post', user: 'anna', title: 'Router login for lan' })
      expect(letter!.text).toContain(
        'on https://192.0.2.1, from 203.0.113.7, until 2027-01-15 08:10 UTC',
      )
      expect(letter!.name).toMatch(/^ok-[a-z2-9]{10}$/)
      expect(letter!.password).toMatch(/^([A-Za-z2-9]{4}-){4}[A-Za-z2-9]{4}$/)
      const [, made] = fake.items('/user')
      expect(made).toMatchObject({
        name: letter!.name,
        password: letter!.password,
        group: 'write',
        address: '203.0.113.7',
        comment: expect.stringContaining(' lan from 203.0.113.7 for anna until '),
      })
      expect(records()).toEqual([`${letter!.name}.json`])
      await hook.close(annas())
      expect(fake.logins()).toEqual([])
      expect(records()).toEqual([])
    })

    it('has its password in the letter alone', async () => {
      const written: string[] = []
      const hook = await start(withLogins(), {
        deliver: async (channel, user, letter) => {
          delivered.push(readLetter(channel, user, letter))
          for (const file of readdirSync(join(folder, 'routeros'))) {
            written.push(readFileSync(join(folder, 'routeros', file), 'utf8'))
          }
          throw new Error('the post is on strike')
        },
      })
      const error = await rejected(hook.open(annas()))
      const { password } = delivered[0]!
      expect(written.length).toBeGreaterThan(0)
      for (const text of [...written, ...lines, error.message, `${error.stack}`]) {
        expect(text).not.toContain(password)
        expect(text).not.toContain(API_PASSWORD)
      }
      const { mode } = statSync(join(folder, 'routeros', records()[0]!))
      expect(mode & 0o777).toBe(0o600)
    })

    it('is on record before the router is asked, and until it is seen gone', async () => {
      const hook = await start(withLogins())
      fake.faults = ['lost']
      await rejected(hook.open(annas()))
      expect(fake.logins()).toHaveLength(1)
      expect(records()).toHaveLength(1)
      fake.faults = [undefined, 'lie']
      expect((await rejected(hook.close(annas()))).message).toContain('still has the login')
      expect(records()).toHaveLength(1)
      fake.faults = [undefined, 'lost']
      await rejected(hook.close(annas()))
      expect(fake.logins()).toEqual([])
      expect(records()).toHaveLength(1)
      await hook.close(annas())
      expect(records()).toEqual([])
    })

    it('is renewed without another password', async () => {
      const hook = await start(withLogins())
      await hook.open(annas())
      await hook.open(annas({ until: clock.now() + 900 * SECOND }))
      expect(delivered).toHaveLength(1)
      expect(fake.items('/user')[1]!.comment).toContain('until 2027-01-15T08:15:00')
      expect(await hook.list()).toEqual([annas({ until: clock.now() + 900 * SECOND })])
    })

    it('is made anew if nobody can know its password, or the router has lost it', async () => {
      let strike = true
      const parts: Partial<RouterOsParts> = {
        deliver: async (channel, user, letter) => {
          if (strike) throw new Error('the post is on strike')
          delivered.push(readLetter(channel, user, letter))
        },
      }
      const hook = await start(withLogins(), parts)
      await rejected(hook.open(annas()))
      const [lost] = fake.logins()
      strike = false
      await hook.open(annas())
      expect(fake.logins()).toEqual([delivered[0]!.name])
      expect(fake.logins()).not.toEqual([lost])
      for (const { name, '.id': id } of fake.items('/user'))
        if (name !== 'admin') fake.remove('/user', id!)
      await hook.open(annas())
      expect(fake.logins()).toEqual([delivered[1]!.name])
      expect(records()).toHaveLength(1)
    })

    it('outlives the daemon, on record', async () => {
      const first = await start(withLogins())
      await first.open(annas())
      await first.stop()
      const second = await start(withLogins())
      expect(await second.list()).toEqual([annas()])
      await second.open(annas())
      expect(delivered).toHaveLength(1)
      await second.close(annas())
      expect(fake.logins()).toEqual([])
    })

    it('is taken away when its time is up, whoever forgot it', async () => {
      const hook = await start(withLogins())
      await hook.open(annas())
      clock.advance(601 * SECOND)
      await hook.repair()
      expect(fake.logins()).toEqual([])
      expect(records()).toEqual([])
    })

    it('is taken away if nobody knows of it: it came through late', async () => {
      const hook = await start(withLogins())
      fake.faults = ['late']
      await rejected(hook.open(annas()))
      await hook.close(annas())
      expect(records()).toEqual([])
      fake.comeThrough()
      expect(fake.logins()).toHaveLength(1)
      await hook.repair()
      expect(fake.logins()).toEqual([])
    })

    it('is let be if it is another daemon’s, until its time is up; and whoever is no login of ours', async () => {
      const lost = await start(withLogins())
      await lost.open(annas())
      await lost.stop()
      fake.add('/user', { name: 'carl', group: 'read', comment: 'oneknock, who else' })
      rmSync(join(folder, 'routeros'), { recursive: true })
      const hook = await start(withLogins())
      await hook.repair()
      expect(fake.logins()).toEqual([delivered[0]!.name, 'carl'])
      clock.advance(601 * SECOND)
      await hook.repair()
      expect(fake.logins()).toEqual(['carl'])
    })

    it('never costs anybody else theirs, even if the router knows no filter', async () => {
      const hook = await start(withLogins(), {
        transport: () => {
          const ask = fake.transport()
          return request => ask({ ...request, path: request.path.replace(/\?.*$/, '') })
        },
      })
      await hook.open(annas())
      await hook.open(annas({ user: 'bert' }))
      await hook.close(annas())
      expect(fake.items('/user').map(({ name }) => name)).toEqual(['admin', delivered[1]!.name])
    })

    it.each([
      ['keep', 1],
      ['cut', 0],
    ] as const)('on expiry "%s" leaves sessions: %i', async (onExpiry, left) => {
      const hook = await start(withLogins({ onExpiry }))
      await hook.open(annas())
      const session = { name: delivered[0]!.name, via: 'ssh', dynamic: 'true' }
      fake.add('/user/active', session)
      fake.add('/user/active', { name: 'admin', via: 'console' })
      await hook.close(annas())
      expect(fake.items('/user/active')).toHaveLength(left + 1)
      await hook.cut(annas())
      expect(fake.items('/user/active')).toMatchObject([{ name: 'admin' }])
    })
  })

  it('says what it cannot end, and does not try for ever', async () => {
    const hook = await start(withLogins({ onExpiry: 'cut' }), {
      transport: () => {
        const ask = fake.transport()
        return request =>
          ask(request.method === 'POST' ? { ...request, path: '/user/active/no-such' } : request)
      },
    })
    await hook.open(annas())
    fake.add('/user/active', { name: delivered[0]!.name, via: 'winbox' })
    await hook.close(annas())
    expect(fake.logins()).toEqual([])
    expect(lines).toEqual([expect.stringContaining('does not end the sessions of login')])
  })

  describe('another configuration', () => {
    const config = { allow: [], spaPorts: [] }

    it('keeps what is as before, and takes away the rest', async () => {
      const lan = onRouter('lan', list())
      const hook = await start([lan, onRouter('admin', login), onRouter('old', list('old'))])
      await hook.open(door())
      await hook.open(annas({ service: 'admin' }))
      await hook.open(door({ service: 'old' }))
      await hook.configure({ ...config, services: [lan, onRouter('old', list('new'))] })
      expect(await hook.list()).toEqual([door()])
      expect(fake.logins()).toEqual([])
      expect(fake.items(IPV4_LIST)).toMatchObject([{ list: 'oneknock' }])
    })

    it('is refused while a login cannot be taken away', async () => {
      const hook = await start(withLogins())
      await hook.open(annas())
      fake.faults = ['down']
      await rejected(hook.configure({ ...config, services: [] }))
      expect(await hook.list()).toEqual([annas()])
      await hook.configure({ ...config, services: [] })
      expect(fake.logins()).toEqual([])
    })

    it('says at a start what it has no right to take away any more', async () => {
      const first = await start(withLogins())
      await first.open(annas())
      await first.stop()
      await start([service('ssh')])
      expect(lines.join('\n')).toContain(
        `https://192.0.2.1 may still have the login ${delivered[0]!.name}`,
      )
    })

    it('starts with a router that is off, and says so once', async () => {
      fake.faults = Array.from({ length: 8 }, () => 'down' as const)
      const hook = await start()
      await hook.repair()
      expect(lines).toEqual(['service lan: the fake is down'])
      fake.faults = []
      await hook.repair()
      expect(lines[1]).toBe('service lan: its router is well again')
    })

    it('says what is no record of a login', async () => {
      const hook = await start(withLogins())
      await hook.stop()
      writeFileSync(join(folder, 'routeros', 'odd.json'), '{"name": "odd')
      writeFileSync(join(folder, 'routeros', 'half.json.new'), '{')
      await start(withLogins())
      expect(lines.join()).toContain('odd.json is no record of a login')
      expect(readdirSync(join(folder, 'routeros')).sort()).toEqual(['instance', 'odd.json'])
    })

    it('needs a folder for records, and a password', async () => {
      writeFileSync(join(folder, 'file'), '')
      const state = join(folder, 'file')
      expect(await rejected(start(withLogins(), { state }))).toMatchObject({ code: 'unavailable' })
      const readSecret = () => {
        throw new Error('OKH_ROUTER is not there')
      }
      expect((await rejected(start(withLogins(), { readSecret }))).message).toContain('OKH_ROUTER')
    })
  })

  describe('over TLS', () => {
    async function connected(own: Parameters<typeof router>[1] & { limit?: number }) {
      const { httpsTransport } = await import('../../../server/src/hooks/routeros/transport.ts')
      const { limit, ...settings } = own
      return start([onRouter('lan', list(), settings)], {
        transport: settings =>
          httpsTransport({ settings, password: () => API_PASSWORD, ...(limit && { limit }) }),
      })
    }

    it('trusts a pinned certificate', async () => {
      const { url, sha256 } = await fake.listen(folder)
      const hook = await connected({ url, trust: { kind: 'fingerprint', sha256 } })
      await hook.open(door())
      const basic = `Basic ${Buffer.from(`oneknock:${API_PASSWORD}`).toString('base64')}`
      expect(new Set(fake.authorizations)).toEqual(new Set([basic]))
      expect(fake.items(IPV4_LIST)).toHaveLength(1)
    })

    it('trusts an authority', async () => {
      const { url, ca } = await fake.listen(folder)
      const hook = await connected({ url, trust: { kind: 'ca', file: ca } })
      await hook.open(door())
      expect(fake.items(IPV4_LIST)).toHaveLength(1)
    })

    it('tells a stranger nothing, not even the password', async () => {
      const { url, sha256 } = await fake.listen(folder)
      const wrong = sha256.replace(/^./, digit => (digit === '0' ? '1' : '0'))
      const hook = await connected({ url, trust: { kind: 'fingerprint', sha256: wrong } })
      const pinned = await rejected(hook.open(door()))
      expect(pinned).toMatchObject({ code: 'unavailable' })
      expect(pinned.message).toContain(`its fingerprint is ${sha256}`)
      mkdirSync(join(folder, 'other'))
      const other = new FakeRouterOs(clock)
      const { ca } = await other.listen(join(folder, 'other'))
      await other.close()
      const byAuthority = await connected({ url, trust: { kind: 'ca', file: ca } })
      expect((await rejected(byAuthority.open(door()))).message).toContain('not the one')
      const without = await connected({ url, trust: { kind: 'ca', file: join(folder, 'none') } })
      expect((await rejected(without.open(door()))).message).toContain('ca cannot be read')
      expect(fake.requests).toEqual([])
    })

    it('waits only so long, and says where', async () => {
      const { url, sha256 } = await fake.listen(folder)
      const hook = await connected({ url, trust: { kind: 'fingerprint', sha256 }, limit: 300 })
      fake.faults = ['hang']
      const error = await rejected(hook.open(door()))
      expect(error).toMatchObject({ code: 'timeout' })
      expect(error.message).toContain(`${url} did not answer within 0.3 s`)
      await fake.close()
      const gone = await rejected(hook.open(door()))
      expect(gone.message).toMatch(/cannot be reached \(ECONNREFUSED\)/)
    })
  })
})
