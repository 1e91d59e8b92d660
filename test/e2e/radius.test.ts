import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { lacking } from '../server/commands/cli.ts'
import { freeUdpPort } from '../server/knocker.ts'
import { buildDaemon, Client, Daemon, type Enrolment, HERE, oathtool } from './daemon.ts'
import { FreeRadius, hasRadius, radclient, radtest } from './radius-programs.ts'

/*
 * The real daemon and real clients, each mode from an address of its own: radtest from 127.0.0.1,
 * radclient from those that it is told to. FreeRADIUS knows the passwords.
 */

const SECRET = 'between-the-door-and-its-clients'
const UPSTREAM_SECRET = 'between-the-door-and-freeradius'
const SIGNED = 'Message-Authenticator = 0x00'
const from = (address: string) => `Packet-Src-IP-Address = ${address}`
const [PASSWORD_CODE, GRANT, OLD] = ['127.0.0.2', '127.0.0.3', '127.0.0.4'].map(from)

describe.skipIf(lacking(hasRadius))('the RADIUS door', () => {
  let folder: string
  let program: Awaited<ReturnType<typeof buildDaemon>>
  let daemon: Daemon
  let freeradius: FreeRadius
  let client: Client
  let radius: string
  const codes: string[] = []

  const config = (ports: readonly number[], state: string) => `
listen = ["127.0.0.1:${ports[0]}"]
public = "127.0.0.1:${ports[0]}"
state = "${state}/state"
[services.vpn]
exec = { open = ["/bin/true"] }
lifetime = "10m"
[radius]
listen = ["127.0.0.1:${ports[1]}"]
${clientTable('codes', '127.0.0.1', 'mode = "code"\nservices = ["vpn"]')}
${clientTable('both', '127.0.0.2', `mode = "password+code"\n${upstream(ports[2]!)}`)}
${clientTable('granted', '127.0.0.3', 'mode = "grant"')}
${clientTable('old', '127.0.0.4', 'mode = "code"\nmessage_authenticator = "optional"')}
`
  const clientTable = (name: string, address: string, own: string) =>
    `[radius.clients.${name}]\naddress = "${address}"\nsecret_file = "${folder}/secret"\n${own}\n`
  const upstream = (port: number) =>
    `upstream = ["127.0.0.1:${port}"]\nupstream_secret_file = "${folder}/upstream"`

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'oneknock-radius-'))
    writeFileSync(join(folder, 'secret'), SECRET, { mode: 0o600 })
    writeFileSync(join(folder, 'upstream'), UPSTREAM_SECRET, { mode: 0o600 })
    const ports = await Promise.all([freeUdpPort(), freeUdpPort(), freeUdpPort()])
    radius = `127.0.0.1:${ports[1]}`
    ;[program, freeradius] = await Promise.all([
      buildDaemon(),
      FreeRadius.start({
        port: ports[2],
        clients: `client door {
  ipaddr = 127.0.0.1
  secret = ${UPSTREAM_SECRET}
  require_message_authenticator = yes
}`,
        postAuth: `post-auth {
  update reply { Message-Authenticator := 0x00 }
  Post-Auth-Type REJECT {
    update reply { Message-Authenticator := 0x00 }
  }
}`,
        users: 'DEFAULT Cleartext-Password := "hello"\n  Filter-Id = "staff"\n',
      }),
    ])
    daemon = new Daemon(HERE, program.path, state => config(ports, state))
    client = new Client(HERE)
    await daemon.start()
  }, 60_000)

  afterAll(async () => {
    await daemon?.remove()
    program?.remove()
    client?.remove()
    await freeradius?.stop()
    if (folder) rmSync(folder, { recursive: true })
  })

  /** Somebody whose codes nobody has used. */
  async function someone(): Promise<Enrolment & { code: string }> {
    const enrolled = await daemon.enrol(`user${codes.length}`, 'vpn')
    const code = await oathtool(enrolled.secret)
    codes.push(code)
    return { ...enrolled, code }
  }

  const counts = async (): Promise<Record<string, number>> => {
    const { doors } = JSON.parse((await daemon.command('status', '--json')).stdout)
    return doors.find(({ door }: { door: string }) => door === 'radius').counts
  }

  const recorded = (): string => {
    const ledger = join(daemon.folder, 'state', 'ledger')
    return readdirSync(ledger)
      .map(file => readFileSync(join(ledger, file), 'utf8'))
      .join('')
  }

  const pap = (user: string, password: string) => [
    `User-Name = "${user}"`,
    `User-Password = "${password}"`,
  ]

  it('takes a code from radtest once, by PAP', async () => {
    const { user, code } = await someone()
    // Without Calling-Station-Id there is nobody to open for.
    expect(await radtest(radius, SECRET, user, code)).toMatchObject({
      kind: 'reject',
      attributes: { 'Reply-Message': 'The client does not say which address you have.' },
    })
    const login = [...pap(user, code), SIGNED, 'Calling-Station-Id = "203.0.113.7"']
    expect(await radclient(radius, SECRET, login)).toMatchObject({
      kind: 'accept',
      attributes: { 'Reply-Message': 'Open for 203.0.113.7, for 600 seconds: vpn.' },
    })
    const grants: { user: string }[] = JSON.parse((await daemon.command('grants', '--json')).stdout)
    expect(grants.filter(grant => grant.user === user)).toMatchObject([
      { device: '@radius', addresses: ['203.0.113.7'], factor: 'totp' },
    ])
    expect(await radclient(radius, SECRET, login)).toMatchObject({ kind: 'reject' })
  })

  it('answers a real Status-Server', async () => {
    const { kind } = await radclient(radius, SECRET, [SIGNED], { kind: 'status' })
    expect(kind).toBe('accept')
  })

  it('takes old clients where it is told to, by PAP and by CHAP', async () => {
    const [one, other] = [await someone(), await someone()]
    expect(await radclient(radius, SECRET, [...pap(one.user, one.code), OLD!])).toMatchObject({
      kind: 'accept',
    })
    const chap = [`User-Name = "${other.user}"`, `CHAP-Password = "${other.code}"`, OLD!]
    expect(await radclient(radius, SECRET, chap)).toMatchObject({ kind: 'accept' })
  })

  it('has FreeRADIUS check the password, and checks the code itself', async () => {
    const { user, code } = await someone()
    const login = (password: string) =>
      radclient(radius, SECRET, [
        ...pap(user, password),
        ...[PASSWORD_CODE!, SIGNED, 'Proxy-State = 0x6162', 'Proxy-State = 0x6161'],
      ])
    const before = freeradius.requests
    const [wrongPassword, wrongCode] = await Promise.all([
      login(`wrong${code}`),
      login('hello000000'),
    ])
    expect(wrongPassword.kind).toBe('reject')
    expect(wrongPassword.attributes).toEqual({
      ...wrongCode.attributes,
      'Message-Authenticator': wrongPassword.attributes['Message-Authenticator'],
    })
    const { kind, attributes, output } = await login(`hello${code}`)
    expect({ kind, filter: attributes['Filter-Id'] }).toEqual({ kind: 'accept', filter: 'staff' })
    expect(output).toMatch(/Received[\s\S]*Proxy-State = 0x6162\n\tProxy-State = 0x6161/)
    expect(freeradius.requests).toBe(before + 3)
  })

  it('lets in those whose door is open already', async () => {
    const anna = await someone()
    await client.add(anna)
    const login = [
      ...pap(anna.user, 'anything'),
      ...[GRANT!, SIGNED, 'Calling-Station-Id = "127.0.0.1"'],
    ]
    expect(await radclient(radius, SECRET, login)).toMatchObject({ kind: 'reject' })
    expect((await client.knock(anna)).status).toBe(0)
    expect(await radclient(radius, SECRET, login)).toMatchObject({ kind: 'accept' })
    await client.close(anna)
    expect(await radclient(radius, SECRET, login)).toMatchObject({ kind: 'reject' })
  })

  it('is silent to a wrong secret and to the unsigned, counts them, and writes no line for them', async () => {
    const { user, code } = await someone()
    const before = await counts()
    const quick = { timeoutS: 1 }
    const silent = await Promise.all([
      radclient(radius, 'another-secret-of-somebody', [...pap(user, code), SIGNED], quick),
      radclient(radius, SECRET, pap(user, code), quick),
      radclient(radius, 'another-secret-of-somebody', [...pap(user, code), OLD!], quick),
      radclient(radius, SECRET, [...pap(user, code), OLD!, 'Proxy-State = 0x61'], quick),
      radclient(radius, SECRET, [...pap(user, code), SIGNED, from('127.0.0.9')], quick),
    ])
    expect(silent.map(({ kind }) => kind)).toEqual(Array(5).fill('none'))
    const { forged = 0, unsigned = 0, ...after } = await counts()
    expect([forged - (before.forged ?? 0), unsigned - (before.unsigned ?? 0)]).toEqual([2, 2])
    expect(after['unknown-client']).toBe((before['unknown-client'] ?? 0) + 1)
    expect(recorded() + daemon.output.join('')).not.toContain(`"${user}"`)
  })

  it('takes up another secret while it runs, and refuses a lax one whole', async () => {
    const { user, code } = await someone()
    onTestFinished(async () => {
      writeFileSync(join(folder, 'secret'), SECRET)
      chmodSync(join(folder, 'secret'), 0o600)
      expect((await daemon.command('reload')).status).toBe(0)
    })
    writeFileSync(join(folder, 'secret'), 'a-new-secret-for-the-clients')
    chmodSync(join(folder, 'secret'), 0o644)
    for (const command of ['check', 'reload']) {
      const { status, stderr } = await daemon.command(command)
      expect({ command, status }).toEqual({ command, status: 1 })
      expect(stderr).toContain('others can read it; run: chmod 600')
    }
    const login = [...pap(user, code), OLD!, SIGNED]
    expect(await radclient(radius, SECRET, login)).toMatchObject({ kind: 'accept' })
    chmodSync(join(folder, 'secret'), 0o600)
    expect((await daemon.command('reload')).status).toBe(0)
    const status = { kind: 'status', timeoutS: 1 }
    expect((await radclient(radius, SECRET, [SIGNED], status)).kind).toBe('none')
    expect((await radclient(radius, 'a-new-secret-for-the-clients', [SIGNED], status)).kind).toBe(
      'accept',
    )
  })

  it('knows a used code and its lock after a SIGKILL', async () => {
    const [one, other] = [await someone(), await someone()]
    const login = (user: string, password: string) =>
      radclient(radius, SECRET, [...pap(user, password), OLD!, SIGNED])
    expect(await login(one.user, one.code)).toMatchObject({ kind: 'accept' })
    const wrong = await Promise.all(Array.from({ length: 5 }, () => login(other.user, '000000')))
    expect(wrong.map(({ kind }) => kind)).toEqual(Array(5).fill('reject'))
    await daemon.end('SIGKILL')
    await daemon.start()
    const [used, locked] = await Promise.all([
      login(one.user, one.code),
      login(other.user, other.code),
    ])
    expect(used.attributes['Reply-Message']).toContain('used already')
    expect(locked.attributes['Reply-Message']).toContain('wrong')
    const { locked: locks } = JSON.parse((await daemon.command('status', '--json')).stdout)
    expect(locks).toContainEqual(expect.objectContaining({ who: `${other.user}/@radius` }))
  })

  it('writes down no secret and no code', async () => {
    const { user, code } = await someone()
    expect(await radclient(radius, SECRET, [...pap(user, code), OLD!])).toMatchObject({
      kind: 'accept',
    })
    expect(recorded()).toContain(`"user":"${user}"`)
    for (const text of [recorded(), daemon.output.join('')]) {
      for (const secret of [SECRET, UPSTREAM_SECRET, 'hello']) expect(text).not.toContain(secret)
      // Digits within a longer word are a hash, or a time.
      for (const each of codes) expect(text).not.toMatch(new RegExp(`(?<!\\w)${each}(?!\\w)`))
    }
  })
})
