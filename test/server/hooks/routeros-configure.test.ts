import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeRouterOs } from './fake-routeros.ts'
import {
  API_PASSWORD,
  IPV4_LIST,
  list,
  login,
  onRouter,
  RouterHouse,
  rejected,
  type router,
  withLogins,
} from './routeros.ts'
import { service } from './service.ts'

let at: RouterHouse
beforeEach(() => {
  at = new RouterHouse()
})
afterEach(() => at.remove())

describe('another configuration', () => {
  const config = { allow: [], spaPorts: [] }

  it('keeps what is as before, and takes away the rest', async () => {
    const lan = onRouter('lan', list())
    const hook = await at.start([lan, onRouter('admin', login), onRouter('old', list('old'))])
    await hook.open(at.door())
    await hook.open(at.annas({ service: 'admin' }))
    await hook.open(at.door({ service: 'old' }))
    await hook.configure({ ...config, services: [lan, onRouter('old', list('new'))] })
    expect(await hook.list()).toEqual([at.door()])
    expect(at.fake.logins()).toEqual([])
    expect(at.fake.items(IPV4_LIST)).toMatchObject([{ list: 'oneknock' }])
  })

  it('is refused while a login cannot be taken away', async () => {
    const hook = await at.start(withLogins())
    await hook.open(at.annas())
    at.fake.faults = ['down']
    await rejected(hook.configure({ ...config, services: [] }))
    expect(await hook.list()).toEqual([at.annas()])
    await hook.configure({ ...config, services: [] })
    expect(at.fake.logins()).toEqual([])
  })

  it('says at a start what it has no right to take away any more', async () => {
    const first = await at.start(withLogins())
    await first.open(at.annas())
    await first.stop()
    await at.start([service('ssh')])
    expect(at.lines.join('\n')).toContain(
      `https://192.0.2.1 may still have the login ${at.delivered[0]!.name}`,
    )
  })

  it('starts with a router that is off, and says so once', async () => {
    at.fake.faults = Array.from({ length: 8 }, () => 'down' as const)
    const hook = await at.start()
    await hook.repair()
    expect(at.lines).toEqual(['service lan: the fake is down'])
    at.fake.faults = []
    await hook.repair()
    expect(at.lines[1]).toBe('service lan: its router is well again')
  })

  it('says what is no record of a login', async () => {
    const hook = await at.start(withLogins())
    await hook.stop()
    writeFileSync(join(at.folder, 'routeros', 'odd.json'), '{"name": "odd')
    writeFileSync(join(at.folder, 'routeros', 'half.json.new'), '{')
    await at.start(withLogins())
    expect(at.lines.join()).toContain('odd.json is no record of a login')
    expect(readdirSync(join(at.folder, 'routeros')).sort()).toEqual(['instance', 'odd.json'])
  })

  it('needs a folder for records, and a password', async () => {
    writeFileSync(join(at.folder, 'file'), '')
    const state = join(at.folder, 'file')
    expect(await rejected(at.start(withLogins(), { state }))).toMatchObject({ code: 'unavailable' })
    const readSecret = () => {
      throw new Error('OKH_ROUTER is not there')
    }
    expect((await rejected(at.start(withLogins(), { readSecret }))).message).toContain('OKH_ROUTER')
  })
})

describe('over TLS', () => {
  async function connected(own: Parameters<typeof router>[1] & { limit?: number }) {
    const { httpsTransport } = await import('../../../server/src/hooks/routeros/transport.ts')
    const { limit, ...settings } = own
    return at.start([onRouter('lan', list(), settings)], {
      transport: settings =>
        httpsTransport({ settings, password: () => API_PASSWORD, ...(limit && { limit }) }),
    })
  }

  it('trusts a pinned certificate', async () => {
    const { url, sha256 } = await at.fake.listen(at.folder)
    const hook = await connected({ url, trust: { kind: 'fingerprint', sha256 } })
    await hook.open(at.door())
    const basic = `Basic ${Buffer.from(`oneknock:${API_PASSWORD}`).toString('base64')}`
    expect(new Set(at.fake.authorizations)).toEqual(new Set([basic]))
    expect(at.fake.items(IPV4_LIST)).toHaveLength(1)
  })

  it('trusts an authority', async () => {
    const { url, ca } = await at.fake.listen(at.folder)
    const hook = await connected({ url, trust: { kind: 'ca', file: ca } })
    await hook.open(at.door())
    expect(at.fake.items(IPV4_LIST)).toHaveLength(1)
  })

  it('tells a stranger nothing, not even the password', async () => {
    const { url, sha256 } = await at.fake.listen(at.folder)
    const wrong = sha256.replace(/^./, digit => (digit === '0' ? '1' : '0'))
    const hook = await connected({ url, trust: { kind: 'fingerprint', sha256: wrong } })
    const pinned = await rejected(hook.open(at.door()))
    expect(pinned).toMatchObject({ code: 'unavailable' })
    expect(pinned.message).toContain(`its fingerprint is ${sha256}`)
    mkdirSync(join(at.folder, 'other'))
    const other = new FakeRouterOs(at.clock)
    const { ca } = await other.listen(join(at.folder, 'other'))
    await other.close()
    const byAuthority = await connected({ url, trust: { kind: 'ca', file: ca } })
    expect((await rejected(byAuthority.open(at.door()))).message).toContain('not the one')
    const without = await connected({ url, trust: { kind: 'ca', file: join(at.folder, 'none') } })
    expect((await rejected(without.open(at.door()))).message).toContain('ca cannot be read')
    expect(at.fake.requests).toEqual([])
  })

  it('waits only so long, and says where', async () => {
    const { url, sha256 } = await at.fake.listen(at.folder)
    const hook = await connected({ url, trust: { kind: 'fingerprint', sha256 }, limit: 300 })
    at.fake.faults = ['hang']
    const error = await rejected(hook.open(at.door()))
    expect(error).toMatchObject({ code: 'timeout' })
    expect(error.message).toContain(`${url} did not answer within 0.3 s`)
    await at.fake.close()
    const gone = await rejected(hook.open(at.door()))
    expect(gone.message).toMatch(/cannot be reached \(ECONNREFUSED\)/)
  })
})
