import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../server/src/core/clock.ts'
import { lacking } from '../server/commands/cli.ts'
import { hasSmtpServer, SmtpServer } from '../server/delivery/smtp.ts'
import { FakeRouterOs } from '../server/hooks/fake-routeros.ts'
import { until } from '../server/kit.ts'
import { freeUdpPort } from '../server/knocker.ts'
import { buildDaemon, Client, Daemon, type Enrolment, HERE } from './daemon.ts'
import { Recipe } from './recipe.ts'

/*
 * docs/recipes/a-temporary-router-login-by-message.md as it is written: the real daemon and client, a
 * real mail server, and a fake of RouterOS over TLS, since there is no real one.
 */

const recipe = new Recipe('a-temporary-router-login-by-message')
const LIST = '/ip/firewall/address-list'
const SECRETS = { router: 'router-password-77', mail: 'mail-password-88' }

describe.skipIf(lacking(hasSmtpServer))('a temporary router login by message', () => {
  let folder: string
  let router: FakeRouterOs
  let smtp: SmtpServer
  let program: Awaited<ReturnType<typeof buildDaemon>>
  let daemon: Daemon
  let client: Client
  let people = 0
  let mails = 0

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'okh-recipe-'))
    router = new FakeRouterOs(systemClock)
    const [{ url, sha256 }, server, built, port] = await Promise.all([
      router.listen(folder),
      SmtpServer.start({ login: ['oneknock', SECRETS.mail] }),
      buildDaemon(),
      freeUdpPort(),
    ])
    smtp = server
    program = built
    for (const [name, secret] of Object.entries(SECRETS)) {
      writeFileSync(join(folder, `${name}.password`), `${secret}\n`, { mode: 0o600 })
    }
    daemon = new Daemon(HERE, program.path, state =>
      recipe.file('/etc/oneknock/oneknockd.toml', {
        '[::]:62201': `127.0.0.1:${port}`,
        'gate.example.com:62201': `127.0.0.1:${port}`,
        '/var/lib/oneknock': `${state}/state`,
        'https://192.0.2.1': url,
        FINGERPRINT: sha256,
        '/etc/oneknock/router.password': join(folder, 'router.password'),
        '/etc/oneknock/mail.password': join(folder, 'mail.password'),
        'smtp://mail.example.com:587': `smtp://127.0.0.1:${smtp.port}`,
      }),
    )
    client = new Client(HERE)
    await daemon.start()
  }, 60_000)

  afterAll(async () => {
    await daemon?.remove()
    client?.remove()
    program?.remove()
    await smtp?.stop()
    await router?.close()
    rmSync(folder, { recursive: true })
  })

  let anna: Enrolment
  beforeEach(async () => {
    // Somebody new for each test: a code is good once.
    anna = await daemon.enrol(`anna${++people}`, 'router-ports,router-login')
    const file = join(daemon.folder, 'users', `${anna.user}.toml`)
    const line = recipe.file('/etc/oneknock/users/anna.toml')
    writeFileSync(file, line + readFileSync(file, 'utf8'), { mode: 0o600 })
    await client.add(anna)
    expect((await daemon.command('reload')).stderr).toBe('')
    mails = (await smtp.mails(0)).length
  })
  /** With them goes what was made for them. */
  afterEach(async () => {
    expect(await daemon.command('user', 'remove', anna.user)).toMatchObject({ status: 0 })
    await nothing()
  })

  /** What the mail says that came last. */
  async function letter(): Promise<{ name: string; password: string; to: readonly string[] }> {
    const { content, to } = (await smtp.mails(++mails)).at(-1)!
    const [, name = ''] = /^name: (\S+)\r$/m.exec(content) ?? []
    const [, password = ''] = /^password: (\S+)\r$/m.exec(content) ?? []
    return { name, password, to }
  }

  const nothing = () =>
    until(
      () => ({ logins: router.logins(), entries: router.items(LIST) }),
      ({ logins, entries }) => logins.length === 0 && entries.length === 0,
      15_000,
    )

  /** All that the daemon keeps or says. */
  function kept(): string {
    const state = join(daemon.folder, 'state')
    const files = readdirSync(state, { recursive: true, withFileTypes: true })
    const texts = files
      .filter(file => file.isFile())
      .map(file => readFileSync(join(file.parentPath, file.name), 'latin1'))
    return [...texts, ...daemon.output].join('\n')
  }

  it('is in the mail when the knock is answered, and gone when it is closed', async () => {
    const { status, said } = await client.knock(anna)
    expect(status).toBe(0)
    // The mail was sent meanwhile: what is left is told.
    expect(said.lifetime).toBeGreaterThan(840)
    expect(said.lifetime).toBeLessThanOrEqual(900)
    const { name, password, to } = await letter()
    expect(to).toEqual(['anna@example.com'])
    const [, made] = router.items('/user')
    expect(made).toMatchObject({ name, password, group: 'write', address: '127.0.0.1' })
    expect(router.items(LIST)).toMatchObject([{ list: 'oneknock', address: '127.0.0.1' }])
    expect(kept()).toContain(name)
    for (const secret of [password, ...Object.values(SECRETS)]) expect(kept()).not.toContain(secret)
    await client.close(anna)
    await nothing()
    expect(kept()).not.toContain(password)
  })

  it('ends on time although the daemon was killed', async () => {
    expect((await client.knock(anna, '--lifetime', '3s')).status).toBe(0)
    await letter()
    await daemon.end('SIGKILL')
    const left = router.logins()
    await daemon.start()
    expect(left).toHaveLength(1)
    await nothing()
  })

  it('is not left there if nobody can be told, and the knock says so', async () => {
    await smtp.stop()
    const { status, said } = await client.knock(anna)
    expect({ status, said }).toMatchObject({ status: 4, said: { reason: 'hook-failed' } })
    await nothing()
  }, 60_000)
})
