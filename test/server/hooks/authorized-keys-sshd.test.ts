import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { parseNetwork } from '@oneknock/shared'
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  onTestFinished,
  vi,
} from 'vitest'
import { systemClock } from '../../../server/src/core/clock.ts'
import type { Service } from '../../../server/src/core/directory.ts'
import type { Opening } from '../../../server/src/core/openings.ts'
import type { AuthorizedKeysHook } from '../../../server/src/hooks/authorized-keys.ts'
import { isRoot, lacking } from '../commands/cli.ts'
import { permits, privateFolder, removeFolder, startHook } from './authorized-keys.ts'
import { freePort, makeKey, Sshd } from './sshd.ts'

const HERE = '127.0.0.1'
const ELSEWHERE = '127.0.0.2'
const PATIENCE = { timeout: 15_000, interval: 100 }
const HOUR = 3_600_000

/** Needs root: sshd becomes the account that somebody logs in to. */
describe.skipIf(lacking(isRoot && existsSync('/usr/sbin/sshd')))(
  'authorized-keys with a real sshd',
  () => {
    let folder: string
    let keys: string
    let anna: string
    let bert: string
    const publicKeys: Record<string, string[]> = {}
    const inner = new Map<string, { server: Server; port: number }>()
    let sshd: Sshd
    let hook: AuthorizedKeysHook

    const portOf = (name: string) => inner.get(name)!.port
    const at = (name: string) => ({ host: '127.0.0.1', port: portOf(name) })

    beforeAll(async () => {
      folder = privateFolder()
      keys = join(folder, 'authorized_keys')
      ;[anna, bert] = [join(folder, 'anna'), join(folder, 'bert')]
      publicKeys.anna = [makeKey(folder, 'anna'), makeKey(folder, 'anna-phone')]
      publicKeys.bert = [makeKey(folder, 'bert')]
      for (const name of ['mail', 'db', 'other']) {
        const server = createServer(socket => socket.end(`this is ${name}\n`)).listen(
          0,
          '127.0.0.1',
        )
        await once(server, 'listening')
        inner.set(name, { server, port: (server.address() as { port: number }).port })
      }
      sshd = await Sshd.make(folder, [
        `AuthorizedKeysFile ${keys}`,
        'PermitRootLogin yes',
        'AllowStreamLocalForwarding no',
        'Subsystem sftp internal-sftp',
      ])
    })
    afterAll(() => {
      for (const { server } of inner.values()) server.close()
      removeFolder(folder)
    })

    beforeEach(() => writeFileSync(keys, '# the rest\n'))
    afterEach(() => sshd.stop())

    async function start(own: Partial<Service> = {}, environment = {}, clock = systemClock) {
      hook = await startHook({
        services: [
          permits('mail', keys, [at('mail')], own),
          permits('db', keys, [at('db'), at('mail')], own),
        ],
        users: new Map(Object.entries(publicKeys).map(([user, sshKeys]) => [user, { sshKeys }])),
        clock,
      })
      await sshd.start(environment)
    }

    const door = (own: Partial<Opening> = {}): Opening => ({
      service: 'mail',
      user: 'anna',
      network: parseNetwork(HERE)!,
      until: Date.now() + HOUR,
      ...own,
    })

    const forward = (name: string, key = anna, from = HERE, account = 'nobody') =>
      sshd.ask(key, from, '-W', `127.0.0.1:${portOf(name)}`, `${account}@127.0.0.1`)

    const works = { status: 0, stdout: expect.stringMatching(/^this is /) }
    const prohibited = {
      stdout: '',
      stderr: expect.stringContaining('administratively prohibited'),
    }
    const nobodyKnown = {
      status: 255,
      stdout: '',
      stderr: expect.stringContaining('Permission denied (publickey)'),
    }

    it('forwards to what is permitted, and nowhere else', async () => {
      await start()
      expect(await forward('mail')).toMatchObject(nobodyKnown)
      await hook.open(door())
      expect(await forward('mail')).toMatchObject(works)
      expect(await forward('mail', join(folder, 'anna-phone'))).toMatchObject(works)
      expect(await forward('db')).toMatchObject(prohibited)
      expect(await forward('other')).toMatchObject(prohibited)
      expect(await forward('mail', bert)).toMatchObject(nobodyKnown)
      await hook.close(door())
      expect(await forward('mail')).toMatchObject(nobodyKnown)
      expect(readFileSync(keys, 'utf8')).toBe('# the rest\n')
    })

    it('forwards from the granted address alone, or from all of a prefix', async () => {
      await start()
      await hook.open(door())
      expect(await forward('mail', anna, ELSEWHERE)).toMatchObject(nobodyKnown)
      await hook.open(door({ network: parseNetwork('127.0.0.0/8')! }))
      expect(await forward('mail', anna, ELSEWHERE)).toMatchObject(works)
      await hook.close(door())
      expect(await forward('mail', anna, HERE)).toMatchObject(works)
    })

    it('listens for nobody on this side', async () => {
      await start()
      await hook.open(door())
      for (const listen of ['0', '127.0.0.1:0', '*:0', `${await freePort()}`, '127.0.0.1:1']) {
        const remote = [
          '-N',
          '-o',
          'ExitOnForwardFailure=yes',
          '-R',
          `${listen}:127.0.0.1:${portOf('mail')}`,
        ]
        const { status, stderr } = await sshd.ask(anna, HERE, ...remote, 'nobody@127.0.0.1')
        expect({ listen, status }).toEqual({ listen, status: 255 })
        expect(stderr).toContain('remote port forwarding failed')
      }
    })

    it('opens no socket of the file system, if sshd is told so', async () => {
      await start()
      await hook.open(door())
      const path = join(folder, 'socket')
      const server = createServer(socket => socket.end('reached')).listen(path)
      onTestFinished(async () => {
        await new Promise(resolve => server.close(resolve))
      })
      const port = await freePort()
      sshd.client(anna, HERE, '-N', '-L', `127.0.0.1:${port}:${path}`, 'nobody@127.0.0.1')
      const got: string[] = []
      await vi.waitFor(async () => {
        const socket = connect(port, '127.0.0.1').on('data', data => got.push(`${data}`))
        await once(socket, 'close')
      }, PATIENCE)
      expect(got).toEqual([])
      expect(sshd.log().match(/refused streamlocal port forward/)).not.toBeNull()
    })

    it('runs nothing, not even for an account with a shell', async () => {
      await start()
      await hook.open(door())
      const answer = { status: 1, stdout: 'forwards only: use ssh -N\n' }
      expect(await forward('mail', anna, HERE, 'root')).toMatchObject(works)
      expect(await sshd.ask(anna, HERE, 'root@127.0.0.1', 'id')).toMatchObject(answer)
      expect(await sshd.ask(anna, HERE, 'root@127.0.0.1')).toMatchObject(answer)
      expect(await sshd.ask(anna, HERE, '-s', 'root@127.0.0.1', 'sftp')).toMatchObject(answer)
      const terminal = await sshd.ask(anna, HERE, '-tt', 'root@127.0.0.1')
      expect(terminal.stderr).toContain('PTY allocation request failed')
    })

    it('gives one key what all of its services permit, each until its own end', async () => {
      await start()
      await hook.open(door({ service: 'db', until: Date.now() + 4_000 }))
      await hook.open(door())
      expect(await forward('db')).toMatchObject(works)
      expect(await forward('mail')).toMatchObject(works)
      await vi.waitFor(async () => expect(await forward('db')).toMatchObject(prohibited), PATIENCE)
      expect(await forward('mail')).toMatchObject(works)
    })

    it('ends by itself: sshd knows the time', async () => {
      await start()
      await hook.open(door({ until: Date.now() + 3_000 }))
      const written = readFileSync(keys, 'utf8')
      expect(await forward('mail')).toMatchObject(works)
      await vi.waitFor(
        async () => expect(await forward('mail')).toMatchObject(nobodyKnown),
        PATIENCE,
      )
      expect(readFileSync(keys, 'utf8')).toBe(written)
    })

    // A time without its zone would be read as 13 hours early in one of them, 8 hours late in the other.
    it.each(['Pacific/Auckland', 'America/Los_Angeles', 'UTC'])(
      'counts in UTC, also with TZ=%s',
      async TZ => {
        const clock = { now: () => Date.now() - HOUR, monotonic: systemClock.monotonic }
        await start({}, { TZ }, clock)
        await hook.open(door({ until: Date.now() + HOUR / 2 }))
        expect(await forward('mail')).toMatchObject(works)
        await hook.open(door({ until: Date.now() - 2_000 }))
        expect(readFileSync(keys, 'utf8')).toContain('expiry-time')
        expect(await forward('mail')).toMatchObject(nobodyKnown)
        expect(sshd.log().match(/entry expired at/)).not.toBeNull()
      },
    )

    it('is read by an sshd that fetches keys with a command, as an account of the daemon', async () => {
      const elsewhere = privateFolder()
      onTestFinished(() => removeFolder(elsewhere))
      const command = await Sshd.make(elsewhere, [
        'AuthorizedKeysFile none',
        `AuthorizedKeysCommand /usr/bin/cat ${keys}`,
        'AuthorizedKeysCommandUser daemon',
      ])
      onTestFinished(() => command.stop())
      await start()
      await hook.open(door())
      await command.start()
      const args = ['-W', `127.0.0.1:${portOf('mail')}`, 'nobody@127.0.0.1']
      expect(await command.ask(anna, HERE, ...args)).toMatchObject(works)
      expect(await command.ask(anna, ELSEWHERE, ...args)).toMatchObject(nobodyKnown)
    })

    describe('on_expiry = "cut"', () => {
      /** A session that carries a connection; resolves once it does. */
      async function session(key: string, from: string) {
        const held = createServer().listen(portOf('mail'), from)
        held.close()
        const port = await freePort()
        const tunnel = ['-N', '-L', `127.0.0.1:${port}:127.0.0.1:${portOf('mail')}`]
        const client = sshd.client(key, from, ...tunnel, 'nobody@127.0.0.1')
        await vi.waitFor(async () => {
          const socket = connect(port, '127.0.0.1')
          const [data] = await once(socket, 'data')
          expect(`${data}`).toBe('this is mail\n')
        }, PATIENCE)
        return client
      }

      it('ends sessions from the address, and no others', async () => {
        await start({ onExpiry: 'cut' })
        await hook.open(door())
        await hook.open(door({ user: 'bert', network: parseNetwork(ELSEWHERE)! }))
        const [hers, his] = [await session(anna, HERE), await session(bert, ELSEWHERE)]
        const over = once(hers, 'exit')
        await hook.close(door())
        expect((await over)[0]).toBe(255)
        expect(his.exitCode).toBeNull()
        expect(await forward('mail', bert, ELSEWHERE)).toMatchObject(works)
        await hook.close(door({ user: 'bert', network: parseNetwork(ELSEWHERE)! }))
        if (his.exitCode === null) await once(his, 'exit')
        expect(his.exitCode).toBe(255)
      })

      it('leaves alone what another opening lets in: whose it is cannot be told', async () => {
        await start()
        await hook.open(door())
        await hook.open(door({ user: 'bert' }))
        const hers = await session(anna, HERE)
        await hook.close(door())
        await hook.cut(door())
        expect(hers.exitCode).toBeNull()
        await hook.close(door({ user: 'bert' }))
        expect(hers.exitCode).toBeNull()
        const over = once(hers, 'exit')
        await hook.cut(door())
        await over
      })
    })
  },
)
