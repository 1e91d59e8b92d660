import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RouterOsParts } from '../../../server/src/hooks/routeros.ts'
import { API_PASSWORD, RouterHouse, readLetter, rejected, SECOND, withLogins } from './routeros.ts'

let at: RouterHouse
beforeEach(() => {
  at = new RouterHouse()
})
afterEach(() => at.remove())

describe('a login', () => {
  it('is made, delivered and taken away', async () => {
    const hook = await at.start(withLogins())
    await hook.open(at.annas())
    const [letter] = at.delivered
    expect(letter).toMatchObject({ channel: 'post', user: 'anna', title: 'Router login for lan' })
    expect(letter!.text).toContain(
      'on https://192.0.2.1, from 203.0.113.7, until 2027-01-15 08:10 UTC',
    )
    expect(letter!.name).toMatch(/^ok-[a-z2-9]{10}$/)
    expect(letter!.password).toMatch(/^([A-Za-z2-9]{4}-){4}[A-Za-z2-9]{4}$/)
    const [, made] = at.fake.items('/user')
    expect(made).toMatchObject({
      name: letter!.name,
      password: letter!.password,
      group: 'write',
      address: '203.0.113.7',
      comment: expect.stringContaining(' lan from 203.0.113.7 for anna until '),
    })
    expect(at.records()).toEqual([`${letter!.name}.json`])
    await hook.close(at.annas())
    expect(at.fake.logins()).toEqual([])
    expect(at.records()).toEqual([])
  })

  it('has its password in the letter alone', async () => {
    const written: string[] = []
    const hook = await at.start(withLogins(), {
      deliver: async (channel, user, letter) => {
        at.delivered.push(readLetter(channel, user, letter))
        for (const file of readdirSync(join(at.folder, 'routeros'))) {
          written.push(readFileSync(join(at.folder, 'routeros', file), 'utf8'))
        }
        throw new Error('the post is on strike')
      },
    })
    const error = await rejected(hook.open(at.annas()))
    const { password } = at.delivered[0]!
    expect(written.length).toBeGreaterThan(0)
    for (const text of [...written, ...at.lines, error.message, `${error.stack}`]) {
      expect(text).not.toContain(password)
      expect(text).not.toContain(API_PASSWORD)
    }
    const { mode } = statSync(join(at.folder, 'routeros', at.records()[0]!))
    expect(mode & 0o777).toBe(0o600)
  })

  it('is on record before the router is asked, and until it is seen gone', async () => {
    const hook = await at.start(withLogins())
    at.fake.faults = ['lost']
    await rejected(hook.open(at.annas()))
    expect(at.fake.logins()).toHaveLength(1)
    expect(at.records()).toHaveLength(1)
    at.fake.faults = [undefined, 'lie']
    expect((await rejected(hook.close(at.annas()))).message).toContain('still has the login')
    expect(at.records()).toHaveLength(1)
    at.fake.faults = [undefined, 'lost']
    await rejected(hook.close(at.annas()))
    expect(at.fake.logins()).toEqual([])
    expect(at.records()).toHaveLength(1)
    await hook.close(at.annas())
    expect(at.records()).toEqual([])
  })

  it('is renewed without another password', async () => {
    const hook = await at.start(withLogins())
    await hook.open(at.annas())
    await hook.open(at.annas({ until: at.clock.now() + 900 * SECOND }))
    expect(at.delivered).toHaveLength(1)
    expect(at.fake.items('/user')[1]!.comment).toContain('until 2027-01-15T08:15:00')
    expect(await hook.list()).toEqual([at.annas({ until: at.clock.now() + 900 * SECOND })])
  })

  it('is made anew if nobody can know its password, or the router has lost it', async () => {
    let strike = true
    const parts: Partial<RouterOsParts> = {
      deliver: async (channel, user, letter) => {
        if (strike) throw new Error('the post is on strike')
        at.delivered.push(readLetter(channel, user, letter))
      },
    }
    const hook = await at.start(withLogins(), parts)
    await rejected(hook.open(at.annas()))
    const [lost] = at.fake.logins()
    strike = false
    await hook.open(at.annas())
    expect(at.fake.logins()).toEqual([at.delivered[0]!.name])
    expect(at.fake.logins()).not.toEqual([lost])
    for (const { name, '.id': id } of at.fake.items('/user'))
      if (name !== 'admin') at.fake.remove('/user', id!)
    await hook.open(at.annas())
    expect(at.fake.logins()).toEqual([at.delivered[1]!.name])
    expect(at.records()).toHaveLength(1)
  })

  it('outlives the daemon, on record', async () => {
    const first = await at.start(withLogins())
    await first.open(at.annas())
    await first.stop()
    const second = await at.start(withLogins())
    expect(await second.list()).toEqual([at.annas()])
    await second.open(at.annas())
    expect(at.delivered).toHaveLength(1)
    await second.close(at.annas())
    expect(at.fake.logins()).toEqual([])
  })

  it('is taken away when its time is up, whoever forgot it', async () => {
    const hook = await at.start(withLogins())
    await hook.open(at.annas())
    at.clock.advance(601 * SECOND)
    await hook.repair()
    expect(at.fake.logins()).toEqual([])
    expect(at.records()).toEqual([])
  })

  it('is taken away if nobody knows of it: it came through late', async () => {
    const hook = await at.start(withLogins())
    at.fake.faults = ['late']
    await rejected(hook.open(at.annas()))
    await hook.close(at.annas())
    expect(at.records()).toEqual([])
    at.fake.comeThrough()
    expect(at.fake.logins()).toHaveLength(1)
    await hook.repair()
    expect(at.fake.logins()).toEqual([])
  })

  it('is let be if it is another daemon’s, until its time is up; and whoever is no login of ours', async () => {
    const lost = await at.start(withLogins())
    await lost.open(at.annas())
    await lost.stop()
    at.fake.add('/user', { name: 'carl', group: 'read', comment: 'oneknock, who else' })
    rmSync(join(at.folder, 'routeros'), { recursive: true })
    const hook = await at.start(withLogins())
    await hook.repair()
    expect(at.fake.logins()).toEqual([at.delivered[0]!.name, 'carl'])
    at.clock.advance(601 * SECOND)
    await hook.repair()
    expect(at.fake.logins()).toEqual(['carl'])
  })

  it('never costs anybody else theirs, even if the router knows no filter', async () => {
    const hook = await at.start(withLogins(), {
      transport: () => {
        const ask = at.fake.transport()
        return request => ask({ ...request, path: request.path.replace(/\?.*$/, '') })
      },
    })
    await hook.open(at.annas())
    await hook.open(at.annas({ user: 'bert' }))
    await hook.close(at.annas())
    expect(at.fake.items('/user').map(({ name }) => name)).toEqual(['admin', at.delivered[1]!.name])
  })

  it.each([
    ['keep', 1],
    ['cut', 0],
  ] as const)('on expiry "%s" leaves sessions: %i', async (onExpiry, left) => {
    const hook = await at.start(withLogins({ onExpiry }))
    await hook.open(at.annas())
    const session = { name: at.delivered[0]!.name, via: 'ssh', dynamic: 'true' }
    at.fake.add('/user/active', session)
    at.fake.add('/user/active', { name: 'admin', via: 'console' })
    await hook.close(at.annas())
    expect(at.fake.items('/user/active')).toHaveLength(left + 1)
    await hook.cut(at.annas())
    expect(at.fake.items('/user/active')).toMatchObject([{ name: 'admin' }])
  })
})

it('says what it cannot end, and does not try for ever', async () => {
  const hook = await at.start(withLogins({ onExpiry: 'cut' }), {
    transport: () => {
      const ask = at.fake.transport()
      return request =>
        ask(request.method === 'POST' ? { ...request, path: '/user/active/no-such' } : request)
    },
  })
  await hook.open(at.annas())
  at.fake.add('/user/active', { name: at.delivered[0]!.name, via: 'winbox' })
  await hook.close(at.annas())
  expect(at.fake.logins()).toEqual([])
  expect(at.lines).toEqual([expect.stringContaining('does not end the sessions of login')])
})
