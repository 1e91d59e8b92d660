import { execFile, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromHex } from '@oneknock/shared'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { holdNamespace, Namespace } from '../../netns/namespace.ts'
import { codeOf, freeTcpPort, Gateway } from '../admin/gateway.ts'
import { isRoot, lacking, MAIN } from '../commands/cli.ts'
import { piped } from '../commands/piped.ts'
import { write } from '../config/scratch.ts'
import { until } from '../kit.ts'
import { touch } from '../touch.ts'
import { API_KEY } from './stand-in.ts'

/** OTPs of the vendor's own tool, the vendor's own client, and another's server. */

const KEY_TEXT = API_KEY.toString('base64')
const BLUE = {
  publicId: 'vvccccbbbbdd',
  privateId: fromHex('8792ebfe26cc')!,
  key: fromHex('ecde18dbe76fbd0c33330f1c354871db')!,
}
const LINES = `${BLUE.publicId}\n8792ebfe26cc\necde18dbe76fbd0c33330f1c354871db\n`

const has = (...programs: readonly string[]) =>
  programs.every(program => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0)

/** Counts up with every touch, or every time that the key is plugged in: none is taken twice. */
let touches = 0
let sessions = 8
const next = () => touch(BLUE, 7, touches++)

describe.skipIf(lacking(has('ykclient', 'ykgenerate')))('as a validation server', () => {
  let url: string
  let server: Gateway
  let client: Gateway
  let keys: string
  beforeAll(async () => {
    const port = await freeTcpPort()
    keys = mkdtempSync(join(tmpdir(), 'oneknock-keys-'))
    const key = write(join(keys, 'client.key'), `${KEY_TEXT}\n`)
    url = `http://127.0.0.1:${port}/wsapi/2.0/verify`
    server = await Gateway.make(
      `[http]\nlisten = ["127.0.0.1:${port}"]\n[http.validation]\nclients = { 1 = "${key}" }\n`,
    )
    client = await Gateway.make(
      `[yubikey]\nservers = ["http://127.0.0.1:9/wsapi/2.0/verify", "${url}"]\nclient_id = 1\nkey_file = "${key}"\n`,
    )
    await server.add('alice')
    await piped(server.config, LINES, 'yubikey', 'add', 'alice', 'blue')
    await Promise.all([server.start(), client.start()])
  })
  afterAll(async () => {
    await Promise.all([server?.remove(), client?.remove()])
    rmSync(keys, { recursive: true, force: true })
  })

  const ykclient = (otp: string, key = KEY_TEXT, id = '1') =>
    new Promise<number>(resolve => {
      const args = ['--url', url, '--apikey', key, id, otp]
      execFile('ykclient', args, error => resolve(error ? Number(error.code) : 0))
    })

  it('agrees with the vendor’s client: good once, then replayed; a wrong one is wrong', async () => {
    const otp = next()
    expect(await ykclient(otp)).toBe(0)
    expect(await ykclient(otp)).toBe(2)
    expect(await ykclient(`${BLUE.publicId}${'c'.repeat(32)}`)).toBe(3)
    expect(await ykclient(`cccccccccccc${next().slice(12)}`)).toBe(3)
    // A right code forgives the wrong ones.
    expect(await ykclient(next())).toBe(0)
  })

  it('looks at nothing that is not signed by a client, and counts nothing of it', async () => {
    const otp = next()
    expect(await ykclient(otp, Buffer.from('another key, of no use').toString('base64'))).toBe(3)
    expect(await ykclient(otp, KEY_TEXT, '2')).toBe(3)
    const nonce = 'a'.repeat(32)
    const get = async (query: string) => (await fetch(`${url}?${query}`)).text()
    expect(await get(`id=1&nonce=${nonce}&otp=${otp}`)).toContain('status=BAD_SIGNATURE')
    expect(await get(`id=2&nonce=${nonce}&otp=${otp}`)).toMatch(
      /^t=\S+\r\nstatus=NO_SUCH_CLIENT\r\n$/,
    )
    expect(await get(`id=1&id=1&nonce=${nonce}&otp=${otp}`)).toContain('status=MISSING_PARAMETER')
    expect(await get('otp=%0d%0astatus=OK')).not.toContain('status=OK')
    expect(await ykclient(otp)).toBe(0)
  })

  it('is asked by another daemon, whose packet opens; the OTP is used up for both', async () => {
    const bob = await client.somebody()
    onTestFinished(async () => {
      await client.run('user', 'remove', bob.user)
    })
    await piped(client.config, BLUE.publicId, 'yubikey', 'add', bob.user, 'green', '--online')
    const otp = next()
    const factor = { kind: 'yubikey', code: otp } as const
    expect(await client.knocker(bob).ask({ factor })).toMatchObject({ status: 'opened' })
    expect(await client.knocker(bob).ask({ factor })).toMatchObject({ reason: 'factor-used' })
    expect(await ykclient(otp)).toBe(2)
    const { stdout } = await client.run('audit', 'show', '--json')
    expect(stdout).toContain(bob.user)
    expect(stdout).not.toContain(otp)
    expect(client.output).toContain('no valid answer from a validation server')
    expect(client.output).not.toContain(otp)
    // And its own code goes on working beside it.
    const totp = { kind: 'totp', code: codeOf(bob) } as const
    expect(await client.knocker(bob).ask({ factor: totp })).toMatchObject({ status: 'opened' })
  })
})

const YUBISERVER_DB = '/etc/yubiserver/yubiserver.sqlite.init'

describe.skipIf(lacking(isRoot && has('yubiserver', 'ykgenerate')))('with yubiserver', () => {
  const PORT = 8000
  let folder: string
  let site: string
  let host: Namespace
  let config: string
  let db: string
  beforeAll(async () => {
    // It binds every address, and drops to a user of its own.
    host = new Namespace(await holdNamespace())
    await host.run('ip', 'link', 'set', 'lo', 'up')
    folder = mkdtempSync(join(tmpdir(), 'oneknock-yubiserver-'))
    chmodSync(folder, 0o755)
    db = join(folder, 'db.sqlite')
    copyFileSync(YUBISERVER_DB, db)
    const admin = (...args: readonly string[]) => host.run('yubiserver-admin', '-b', db, ...args)
    const [privateId, key] = [BLUE.privateId, BLUE.key].map(b => Buffer.from(b).toString('hex'))
    await admin('-y', '-a', 'alice', BLUE.publicId, privateId!, key!)
    await admin('-p', '-a', 'gate', API_KEY.toString())
    const [uid, gid] = ['-u', '-g'].map(flag =>
      Number(spawnSync('id', [flag, 'yubiserver'], { encoding: 'utf8' }).stdout),
    )
    for (const path of [folder, db]) chownSync(path, uid!, gid!)
    await host.run('yubiserver', '-d', db, '-p', `${PORT}`, '-l', join(folder, 'log'))

    site = mkdtempSync(join(tmpdir(), 'oneknock-online-'))
    config = write(
      join(site, 'oneknockd.toml'),
      `public = "gate.example.com"\nstate = "state"
[services.web]\ngate = { listen = "127.0.0.1:8443", forward = "127.0.0.1:443" }
[yubikey]\nservers = ["http://127.0.0.1:${PORT}/wsapi/2.0/verify"]\nclient_id = 1
key_file = "${write(join(site, 'key'), KEY_TEXT)}"\n`,
    )
    spawnSync('mkdir', ['-m', '700', join(site, 'users')])
    write(
      join(site, 'users', 'alice.toml'),
      `services = ["web"]\n[yubikeys.green]\npublic_id = "${BLUE.publicId}"\nonline = true\n`,
    )
    await until(
      () => host.tryRun(['nc', '-z', '127.0.0.1', `${PORT}`]),
      ({ status }) => status === 0,
    )
  })
  afterAll(async () => {
    const pid = spawnSync('pgrep', ['-f', `^yubiserver -d ${db} `], { encoding: 'utf8' }).stdout
    if (pid.trim()) process.kill(Number(pid.trim()), 'SIGTERM')
    await host?.destroy()
    for (const one of [folder, site]) rmSync(one, { recursive: true, force: true })
  })

  const verify = (otp: string) =>
    host.tryRun([process.execPath, MAIN, '--config', config, 'otp', 'verify', 'alice', otp])

  it('an OTP is right once, and a wrong one is wrong', async () => {
    const session = ++sessions
    const otp = touch(BLUE, session, 1)
    expect(await verify(otp)).toMatchObject({ status: 0, stdout: 'alice: right\n' })
    expect(await verify(otp)).toMatchObject({ status: 1, stdout: 'alice: factor-used\n' })
    // Older than the last, which the server alone can tell.
    expect(await verify(touch(BLUE, session, 0))).toMatchObject({ stdout: 'alice: factor-used\n' })
    const wrong = `${BLUE.publicId}${'c'.repeat(32)}`
    expect(await verify(wrong)).toMatchObject({ status: 1, stdout: 'alice: wrong-factor\n' })
  })

  it('that cannot store is not believed twice: the OTP is burnt here', async () => {
    const before = readFileSync(db)
    const otp = touch(BLUE, ++sessions, 0)
    expect(await verify(otp)).toMatchObject({ status: 0 })
    // What a server whose database is set back, or cannot be written, knows of it.
    writeFileSync(db, before)
    expect(await verify(otp)).toMatchObject({ status: 1, stdout: 'alice: factor-used\n' })
  })
})
