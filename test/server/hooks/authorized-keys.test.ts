import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { parseNetwork } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Opening } from '../../../server/src/core/openings.ts'
import type { Files } from '../../../server/src/hooks/authorized-keys/folder.ts'
import { HookError } from '../../../server/src/hooks/hook.ts'
import {
  everybody,
  KEY,
  permits,
  privateFolder,
  removeFolder,
  startHook,
} from './authorized-keys.ts'
import { ManualClock } from './clock.ts'
import { hookConformance } from './conformance.ts'
import { service } from './service.ts'

const MAIL = { host: 'mail.internal', port: 993 }
const DB = { host: '2001:db8::5', port: 5432 }
const isRoot = process.geteuid?.() === 0

hookConformance('authorized-keys', async () => {
  const folder = privateFolder()
  const clock = new ManualClock()
  const file = join(folder, 'authorized_keys')
  const services = [permits('forwards', file, [MAIL]), permits('admin', file, [DB])]
  return {
    hook: await startHook({ services, clock }),
    clock,
    services: ['forwards', 'admin'],
    user: 'anna',
    passTime: async until => clock.advance(until + 1 - clock.now()),
    cleanup: async () => removeFolder(folder),
  }
})

describe('authorized-keys', () => {
  let folder: string
  let file: string
  let clock: ManualClock

  beforeEach(() => {
    folder = privateFolder()
    file = join(folder, 'authorized_keys')
    clock = new ManualClock()
  })
  afterEach(() => removeFolder(folder))

  const start = (own = [permits('forwards', file, [MAIL])], more = {}) =>
    startHook({ services: own, clock, ...more })
  const read = () => readFileSync(file, 'latin1')
  const lines = () =>
    read()
      .split('\n')
      .filter(line => line.startsWith('restrict'))

  const door = (user = 'anna', network = '203.0.113.7', name = 'forwards'): Opening => ({
    service: name,
    network: parseNetwork(network)!,
    until: clock.now() + 600_000,
    user,
  })

  const rejected = async (work: Promise<unknown>): Promise<HookError> => {
    const error = await work.then(
      () => expect.unreachable('it succeeded'),
      error => error,
    )
    expect(error).toBeInstanceOf(HookError)
    return error
  }

  it('writes a line for each key, which holds address, destinations and time', async () => {
    const hook = await start([permits('forwards', file, [MAIL, DB])], {
      users: everybody(() => [KEY, 'ssh-rsa AAAAB3']),
    })
    await hook.open(door('anna', '2001:db8:7::/64'))
    const options =
      'restrict,port-forwarding,permitlisten="127.0.0.1:1",command="echo forwards only: use ssh -N; exit 1",' +
      'from="2001:db8:7::/64",permitopen="mail.internal:993",permitopen="[2001:db8::5]:5432",expiry-time="20270115081000Z"'
    expect(lines()).toEqual([
      `${options} ${KEY} oneknock:anna`,
      `${options} ssh-rsa AAAAB3 oneknock:anna`,
    ])
  })

  it.each([
    ['with a last line end', 'ssh-rsa AAAA one\n# two\n'],
    ['without one', 'ssh-rsa AAAA one'],
    ['with other bytes in it', '\xff\xfe\r\n\0 odd \x80\r\n'],
    ['that is empty', ''],
  ])('leaves the rest of a file %s as it was', async (_, rest) => {
    writeFileSync(file, rest, 'latin1')
    chmodSync(file, 0o640)
    if (isRoot) chownSync(file, 65534, 12345)
    if (isRoot) chownSync(folder, 65534, 0)
    const before = statSync(file)
    const hook = await start()
    await hook.open(door('anna'))
    await hook.open(door('bert', '203.0.113.8'))
    expect(read()).not.toBe(rest)
    expect(read().endsWith(`# END oneknock\n${rest}`)).toBe(true)
    expect(statSync(file)).toMatchObject({ mode: before.mode, uid: before.uid, gid: before.gid })
    await hook.close(door('anna'))
    await hook.close(door('bert', '203.0.113.8'))
    expect(read()).toBe(rest)
    expect(statSync(file)).toMatchObject({ mode: before.mode, uid: before.uid, gid: before.gid })
    expect(readdirSync(folder)).toEqual(['authorized_keys'])
  })

  it('keeps the block where it was moved to, and what others write meanwhile', async () => {
    const hook = await start()
    await hook.open(door())
    writeFileSync(file, `first\n${read()}last`)
    await hook.open(door('bert'))
    expect(read()).toMatch(/^first\n# BEGIN oneknock.*# END oneknock\nlast$/s)
    await hook.close(door())
    appendFileSync(file, ' and more\n')
    await hook.close(door('bert'))
    expect(read()).toBe('first\nlast and more\n')
  })

  it('never loses what another program writes while it does', async () => {
    writeFileSync(file, 'mine\n')
    let meddle = true
    const files: Files = {
      ...fs,
      open: async (path, flags, mode) => {
        const handle = await fs.open(path, flags, mode)
        if (flags === 'wx' && meddle) {
          meddle = false
          writeFileSync(`${file}.editor`, 'theirs\n')
          renameSync(`${file}.editor`, file)
        }
        return handle
      },
    }
    const hook = await start(undefined, { files })
    await hook.open(door())
    expect(meddle).toBe(false)
    expect(read()).toMatch(/# END oneknock\ntheirs\n$/)
    expect(lines()).toHaveLength(1)
  })

  it('gives up on a file that another program writes all the time', async () => {
    writeFileSync(file, '0\n')
    const files: Files = {
      ...fs,
      open: async (path, flags, mode) => {
        if (flags === 'wx') appendFileSync(file, 'again\n')
        return fs.open(path, flags, mode)
      },
    }
    const hook = await start(undefined, { files })
    expect((await rejected(hook.open(door()))).message).toContain('all the time')
    expect(read()).not.toContain('BEGIN')
    expect(readdirSync(folder)).toEqual(['authorized_keys'])
  })

  it('makes a file that is not there, as readable as its folder', async () => {
    const hook = await start()
    await hook.open(door())
    expect(statSync(file).mode & 0o777).toBe(0o644)
    const inner = join(folder, 'home', '.ssh')
    mkdirSync(inner, { recursive: true })
    chmodSync(inner, 0o700)
    const other = await start([permits('forwards', join(inner, 'keys'), [MAIL])])
    await other.open(door())
    expect(statSync(join(inner, 'keys')).mode & 0o777).toBe(0o600)
  })

  it('writes for many at once, once', async () => {
    let writes = 0
    const files: Files = {
      ...fs,
      rename: (from, to) => {
        writes++
        return fs.rename(from, to)
      },
    }
    const hook = await start(undefined, { files })
    const doors = Array.from({ length: 50 }, (_, i) => door(`user-${i}`))
    await Promise.all(doors.map(one => hook.open(one)))
    expect(await hook.list()).toHaveLength(50)
    // The first alone, and all that came while it was written.
    expect(writes).toBe(2)
  })

  it('forgets what has run out, and holds no line for it', async () => {
    const hook = await start()
    await hook.open({ ...door('anna'), until: clock.now() + 1_000 })
    await hook.open(door('bert'))
    expect(read()).toContain('anna')
    clock.advance(1_001)
    expect(await hook.list()).toEqual(
      [door('bert')].map(one => ({ ...one, until: expect.any(Number) })),
    )
    await hook.open(door('carl'))
    expect(read()).not.toContain('anna')
  })

  it('knows after a restart what it held, and cleans up', async () => {
    writeFileSync(file, 'rest\n')
    const first = await start()
    await first.open(door('anna'))
    await first.open({ ...door('bert'), until: clock.now() + 10 })
    const draft = join(folder, '.authorized_keys.oneknock')
    writeFileSync(draft, 'half a li')
    clock.advance(11)
    const second = await start()
    expect(existsSync(draft)).toBe(false)
    expect(read()).not.toContain('bert')
    const [held, ...others] = await second.list()
    expect(others).toEqual([])
    expect(held).toMatchObject({ service: 'forwards', user: 'anna' })
    await second.close(held!)
    expect(read()).toBe('rest\n')
  })

  it('takes up another configuration: other keys, other destinations, no such service', async () => {
    const admin = permits('admin', file, [DB])
    const hook = await start([permits('forwards', file, [MAIL]), admin], {})
    await hook.open(door('anna'))
    await hook.open(door('anna', '203.0.113.7', 'admin'))
    const keys = [`${KEY.slice(0, -1)}g`]
    const config = { allow: [], spaPorts: [] }
    const users = new Map([['anna', { sshKeys: keys }]])
    await hook.configure({ ...config, services: [permits('forwards', file, [DB]), admin], users })
    expect(await hook.list()).toMatchObject([{ service: 'admin' }])
    expect(lines()).toEqual([expect.stringContaining(keys[0]!)])
    await hook.configure({ ...config, services: [service('ssh')] })
    expect(read()).toBe('')
    expect(await hook.list()).toEqual([])
  })

  it('refuses another configuration whole', async () => {
    const hook = await start()
    await hook.open(door())
    const before = read()
    const nowhere = permits('other', join(folder, 'no', 'keys'), [DB])
    const services = [nowhere, permits('forwards', file, [DB])]
    await rejected(hook.configure({ services, allow: [], spaPorts: [] }))
    expect(read()).toBe(before)
    await hook.close(door())
    expect(await hook.list()).toEqual([])
  })

  it('says what it cannot cut, and closes all the same', async () => {
    const lines: string[] = []
    const permit = { to: [MAIL], account: 'okh-nobody', file }
    const log = (_: object, line: string) => lines.push(line)
    const hook = await start([service('forwards', { permit })], { log })
    await hook.open(door())
    await hook.close(door())
    await hook.cut(door())
    expect(read()).toBe('')
    expect(lines).toEqual([
      expect.stringContaining('ssh sessions live on: /etc/passwd has no account'),
    ])
    await rejected(start([service('forwards', { permit, onExpiry: 'cut' })]))
  })

  it('lets nobody in without a key, and nobody who is nobody', async () => {
    const hook = await start(undefined, { users: new Map() })
    expect((await rejected(hook.open(door('anna')))).message).toContain('ssh_keys')
    const { user: _, ...nobodys } = door()
    expect((await rejected(hook.open(nobodys))).message).toContain("nobody's")
    expect(existsSync(file)).toBe(false)
  })

  describe('leaves alone, and says why,', () => {
    const words = async (what: RegExp) => {
      const error = await rejected(start())
      expect(error.message).toMatch(what)
      expect(error.message).toContain(folder)
    }

    it('a symbolic link', async () => {
      writeFileSync(join(folder, 'real'), 'rest\n')
      symlinkSync('real', file)
      await words(/symbolic link/)
      expect(readFileSync(join(folder, 'real'), 'utf8')).toBe('rest\n')
    })

    it('a folder that is a symbolic link', async () => {
      mkdirSync(join(folder, 'real'))
      symlinkSync('real', join(folder, 'link'))
      file = join(folder, 'link', 'keys')
      await words(/symbolic link/)
    })

    it.each([0o775, 0o757])('a folder of mode %o', async mode => {
      chmodSync(folder, mode)
      await words(/others can write.*chmod go-w/)
    })

    it('a file that others may write', async () => {
      writeFileSync(file, '')
      chmodSync(file, 0o620)
      await words(/others can write.*chmod go-w/)
    })

    it.runIf(isRoot)('a file of somebody else', async () => {
      writeFileSync(file, '')
      chownSync(file, 12345, 12345)
      await words(/belongs to uid 12345/)
    })

    it('what is no file', async () => {
      mkdirSync(file)
      await words(/not a regular file/)
    })

    it('a folder that is not there', async () => {
      file = join(folder, 'no', 'keys')
      await words(/does not exist/)
    })

    it.each([
      ['an end without a beginning', '# END oneknock\n'],
      ['a beginning without an end', 'a\n# BEGIN oneknock: b\nc\n'],
      ['two blocks', '# BEGIN oneknock\n# END oneknock\n# BEGIN oneknock\n# END oneknock\n'],
      ['an end before the beginning', '# END oneknock\n# BEGIN oneknock\n'],
    ])('%s', async (_, text) => {
      writeFileSync(file, text)
      await words(/do not pair up/)
      expect(read()).toBe(text)
    })

    it('an account that is not there', async () => {
      const permit = { to: [MAIL], account: 'okh-nobody', file: undefined }
      const error = await rejected(start([service('forwards', { permit })]))
      expect(error.message).toContain('no account okh-nobody')
    })
  })
})
