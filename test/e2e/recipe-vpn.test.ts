import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { lacking } from '../server/commands/cli.ts'
import { Receiver } from '../server/delivery/receiver.ts'
import { until } from '../server/kit.ts'
import { freeUdpPort } from '../server/knocker.ts'
import { freePort } from '../server/listeners/http.ts'
import { buildDaemon, Daemon, type Enrolment, HERE, oathtool } from './daemon.ts'
import { FreeRadius, hasRadius, pamtester, radclient } from './radius-programs.ts'
import { Recipe } from './recipe.ts'

/*
 * docs/recipes/a-second-factor-for-the-vpn.md as it is written: FreeRADIUS behind the daemon, radclient
 * in the place of the concentrator, PAM in that of a host. A stand-in for ntfy takes the messages.
 */

const recipe = new Recipe('a-second-factor-for-the-vpn')
const SECRETS = {
  vpn: 'between-the-concentrator-and-us',
  hosts: 'between-the-hosts-and-us',
  upstream: 'between-us-and-freeradius',
}
/** Where the concentrator asks from; hosts do so from 127.0.0.1. */
const CONCENTRATOR = '127.0.0.2'

describe.skipIf(lacking(hasRadius))('a second factor for the VPN', () => {
  let folder: string
  let phone: Receiver
  let program: Awaited<ReturnType<typeof buildDaemon>>
  let daemon: Daemon
  let freeradius: FreeRadius
  let intranet: Server
  let anna: Enrolment
  let radius: string
  let gate: number
  /** Of nobody's business but theirs. */
  const secrets = [...Object.values(SECRETS), 'correct horse']

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'oneknock-recipe-'))
    intranet = createServer(socket => socket.end('this is the intranet\n'))
    intranet.listen(0, '127.0.0.1')
    const [knocks, door, behind, http, place, receiver, built] = await Promise.all([
      ...[freeUdpPort(), freeUdpPort(), freeUdpPort(), freePort(), freePort()],
      Receiver.start(),
      buildDaemon(),
    ] as const)
    ;[phone, program, gate, radius] = [receiver, built, place, `127.0.0.1:${door}`]
    for (const [name, secret] of Object.entries(SECRETS)) {
      writeFileSync(join(folder, `radius.${name}`), `${secret}\n`, { mode: 0o600 })
    }
    freeradius = await FreeRadius.start({
      port: behind,
      clients: recipe.file('/etc/freeradius/3.0/clients.conf', {
        '192.0.2.20': '127.0.0.1',
        'UPSTREAM-SECRET': SECRETS.upstream,
      }),
      postAuth: recipe.file('/etc/freeradius/3.0/sites-enabled/default'),
      users: 'anna Cleartext-Password := "correct horse"\n  Filter-Id = "staff"\n',
    })
    daemon = new Daemon(HERE, program.path, state =>
      recipe.file('/etc/oneknock/oneknockd.toml', {
        '[::]:62201': `127.0.0.1:${knocks}`,
        'gate.example.com:62201': `127.0.0.1:${knocks}`,
        '/var/lib/oneknock': `${state}/state`,
        '192.0.2.20:1812': radius,
        '192.0.2.1"': `${CONCENTRATOR}"`,
        '192.0.2.30"': '127.0.0.1"',
        '192.0.2.9:1812': `127.0.0.1:${behind}`,
        '/etc/oneknock/radius': `${folder}/radius`,
        '192.0.2.20:8443': `127.0.0.1:${gate}`,
        '192.0.2.40:443': `127.0.0.1:${(intranet.address() as { port: number }).port}`,
        'https://ntfy.example.com': phone.url,
        '[::]:8975': `127.0.0.1:${http}`,
        'https://gate.example.com:8975': `http://127.0.0.1:${http}`,
      }),
    )
    await daemon.start()
  }, 60_000)

  /** With a secret of which no code is used, and a phone on which nobody has asked yet. */
  beforeEach(async () => {
    anna = await daemon.enrol('anna', 'intranet')
    secrets.push(anna.secret)
    const file = join(daemon.folder, 'users', 'anna.toml')
    appendFileSync(file, recipe.file('/etc/oneknock/users/anna.toml'))
    expect(await daemon.command('reload')).toMatchObject({ status: 0 })
    phone.received.length = 0
  })
  /** With her go her grants, and what is waiting for a yes. */
  afterEach(async () => {
    expect(await daemon.command('user', 'remove', 'anna')).toMatchObject({ status: 0 })
  })

  afterAll(async () => {
    await daemon?.remove()
    program?.remove()
    await freeradius?.stop()
    await phone?.stop()
    intranet?.close()
    if (folder) rmSync(folder, { recursive: true })
  })

  const login = (password: string, tries = 1) =>
    radclient(
      radius,
      SECRETS.vpn,
      [
        'User-Name = "anna"',
        `User-Password = "${password}"`,
        `Packet-Src-IP-Address = ${CONCENTRATOR}`,
        'Calling-Station-Id = "203.0.113.7"',
        'Message-Authenticator = 0x00',
      ],
      { timeoutS: tries > 1 ? 1 : 15, tries },
    )

  /** Presses a button of the newest message, as the app does it. */
  async function press(label: string): Promise<void> {
    const message = JSON.parse(phone.received.at(-1)!.body)
    expect(message.topic).toBe('anna-6b1cTWXhMeqpsVZ3')
    expect(message.message).toContain('From: 203.0.113.7')
    const button = message.actions.find((action: { label: string }) => action.label === label)
    const { url, method, headers, body } = button
    expect((await fetch(url, { method, headers, body })).status).toBe(200)
  }

  const asked = (times: number) =>
    until(
      () => phone.received.length,
      length => length === times,
    )

  it('lets in who knows the password and says yes, and passes on what FreeRADIUS gives', async () => {
    const before = freeradius.requests
    const answer = login('correct horse', 10) // A second each: it asks again while it waits.
    await asked(1)
    await until(
      async () => JSON.parse((await daemon.command('status', '--json')).stdout).doors,
      doors => doors.some((one: { counts: { again?: number } }) => (one.counts.again ?? 0) > 0),
    )
    await press('Approve')
    const { kind, attributes } = await answer
    expect(kind).toBe('accept')
    expect(attributes).toMatchObject({
      'Filter-Id': 'staff',
      'Reply-Message': 'You may come in.',
    })
    expect(phone.received).toHaveLength(1)
    expect(freeradius.requests).toBe(before + 1)
  })

  it('turns away whoever presses no, and has nobody asked for a wrong password', async () => {
    const answer = login('correct horse')
    await asked(1)
    await press('Deny')
    expect(await answer).toMatchObject({
      kind: 'reject',
      attributes: { 'Reply-Message': 'Somebody said no.' },
    })
    expect(await login('wrong horse')).toMatchObject({ kind: 'reject' })
    expect(phone.received).toHaveLength(1)
  })

  it('lets in by PAM with a code, once, and opens the intranet for where they come from', async () => {
    const files = {
      'pam.d/sudo': recipe.file('/etc/pam.d/sudo', {
        '/etc/pam_radius_auth.conf': 'FOLDER/pam_radius_auth.conf',
      }),
      'pam_radius_auth.conf': recipe.file('/etc/pam_radius_auth.conf', {
        '192.0.2.20:1812': radius,
        'HOSTS-SECRET': SECRETS.hosts,
      }),
    }
    const authenticate = (code: string) => pamtester(files, ['sudo', 'anna', code], '127.0.0.1')
    const code = await oathtool(anna.secret)
    expect(await authenticate('000000')).toMatchObject({ status: 1 })
    expect(await authenticate(code)).toMatchObject({ status: 0 })
    const grants = JSON.parse((await daemon.command('grants', '--json')).stdout)
    expect(grants).toMatchObject([
      { user: 'anna', device: '@radius', services: ['intranet'], addresses: ['127.0.0.1'] },
    ])
    const through = await HERE.tryRun(['nc', '-w', '2', '127.0.0.1', `${gate}`])
    expect(through.stdout).toBe('this is the intranet\n')
    expect(await authenticate(code)).toMatchObject({ status: 1 })
  })

  it('has no secret and no password in its log', () => {
    const log = daemon.output.join('')
    expect(log).toContain('"msg":"ready"')
    for (const secret of secrets) expect(log).not.toContain(secret)
  })
})
