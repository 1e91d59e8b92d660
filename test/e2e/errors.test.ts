import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Client, Daemon, type Enrolment, HERE, oathtool } from './daemon.ts'

/*
 * What goes wrong with people, on one machine and without root: each ends in one clear line on
 * standard error and its exit status, and nothing is changed.
 */

const DAEMON = fileURLToPath(new URL('../../server/dist/main.js', import.meta.url))

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

const configuration = (knocks: number, gate: number) => () =>
  `
listen = ["127.0.0.1:${knocks}"]
public = "127.0.0.1:${knocks}"
name = "home"
state = "state"

[firewall]
backend = "gate"

[services.web]
lifetime = "1m"
gate = { listen = "127.0.0.1:${gate}", forward = "127.0.0.1:9" }
`

/** One line, and nothing of a stack. */
const oneLine = (text: string) => {
  expect(text.trim().split('\n')).toHaveLength(1)
  return text.trim()
}

const hasFaketime = (() => {
  try {
    execFileSync('faketime', ['-f', '+1h', 'true'])
    return true
  } catch {
    return false
  }
})()

describe('what goes wrong', () => {
  let daemon: Daemon
  let client: Client
  let alice: Enrolment
  let knocks: number
  let people = 0

  beforeAll(async () => {
    knocks = await freePort()
    daemon = new Daemon(HERE, DAEMON, configuration(knocks, await freePort()))
    client = new Client(HERE)
    await daemon.start()
    alice = await daemon.enrol('alice', 'web')
    await client.add(alice)
  })

  afterAll(async () => {
    await daemon?.remove()
    client?.remove()
  })

  /** Somebody of whose codes none is used. */
  async function someone(): Promise<Enrolment> {
    const enrolled = await daemon.enrol(`person-${++people}`, 'web')
    await client.add(enrolled)
    return enrolled
  }

  const ledger = () => {
    const folder = `${daemon.folder}/state/ledger`
    return readdirSync(folder)
      .map(name => readFileSync(`${folder}/${name}`, 'utf8'))
      .join('')
  }

  it.skipIf(!hasFaketime && process.env.CI !== 'true')(
    'a clock that is off by an hour: no reply, and the clock is named first',
    async () => {
      const before = ledger()
      const knock = ['knock', 'alice', 'web', '--otp', '123456']
      const { status, stderr } = await client.run(knock, '', ['faketime', '-f', '+1h'])
      expect(status).toBe(3)
      expect(oneLine(stderr)).toMatch(/no reply.*clock.*timedatectl/s)
      expect(ledger()).toBe(before)
    },
  )

  it('no way to the server', async () => {
    const traveller = new Client(HERE)
    onTestFinished(() => traveller.remove())
    await traveller.add({
      ...alice,
      invitation: alice.invitation.replace('127.0.0.1', '[::ffff:0:1]'),
    })
    const { status, stderr } = await traveller.run(['knock', 'alice', 'web', '--otp', '123456'])
    expect(status).toBe(3)
    expect(oneLine(stderr)).toMatch(/^oneknock: /)
  })

  it('a target that nobody knows', async () => {
    const { status, stderr } = await client.run(['knock', 'nowhere', '--otp', '123456'])
    expect(status).toBe(2)
    expect(oneLine(stderr)).toContain('nowhere')
  })

  it('a service that there is not', async () => {
    const { user, secret } = await someone()
    const otp = await oathtool(secret)
    const { status, stderr } = await client.run(['knock', user, 'attic', '--otp', otp])
    expect(status).toBe(4)
    expect(oneLine(stderr)).toContain('attic')
  })

  it('a key file that others may read', async () => {
    const file = (await client.run(['show', 'alice'])).stdout.match(/\S+alice\.json/)?.[0]
    expect(file).toBeDefined()
    execFileSync('chmod', ['644', file!])
    const { status, stderr } = await client.run(['knock', 'alice', '--otp', '123456'])
    execFileSync('chmod', ['600', file!])
    expect(status).toBe(2)
    expect(oneLine(stderr)).toContain('chmod 600')
  })

  it('a second daemon on the same state folder', async () => {
    const { status, stderr } = await daemon.command('run')
    expect(status).toBe(1)
    expect(oneLine(stderr)).toContain('another daemon')
  })

  it('a second daemon on the same port', async () => {
    const second = new Daemon(HERE, DAEMON, configuration(knocks, await freePort()))
    const { status, stderr } = await second.command('run')
    expect(status).toBe(1)
    expect(oneLine(stderr)).toContain(`127.0.0.1:${knocks} is in use`)
    await second.remove()
  })

  it('an empty configuration', async () => {
    const empty = new Daemon(HERE, DAEMON, () => '')
    for (const command of ['run', 'check']) {
      const { status, stderr } = await empty.command(command)
      expect(status).toBe(1)
      expect(oneLine(stderr)).toContain('oneknockd init')
    }
    await empty.remove()
  })

  it('a configuration that others may write, or a user file that others may read', async () => {
    for (const [file, mode] of [
      ['oneknockd.toml', '666'],
      ['users/alice.toml', '644'],
    ]) {
      execFileSync('chmod', [mode!, `${daemon.folder}/${file}`])
      const { status, stderr } = await daemon.command('check')
      execFileSync('chmod', ['600', `${daemon.folder}/${file}`])
      expect(status).toBe(1)
      expect(oneLine(stderr)).toMatch(/chmod/)
    }
  })

  it('every error of a configuration at once, each with its line and key', async () => {
    const wrong = new Daemon(HERE, DAEMON, () =>
      configuration(knocks, 8443)().replace('"1m"', '"soon"').replace('"gate"', '"gates"'),
    )
    const { status, stderr } = await wrong.command('check')
    expect(status).toBe(1)
    expect(stderr).toMatch(/oneknockd\.toml:8: firewall\.backend: /)
    expect(stderr).toMatch(/oneknockd\.toml:11: services\.web\.lifetime: /)
    await wrong.remove()
  })

  it('after all that, the daemon still opens', async () => {
    expect((await client.knock(await someone(), 'web')).status).toBe(0)
  })

  it('and ends when it is told to', async () => {
    const status = await daemon.end('SIGTERM')
    await daemon.start()
    expect(status).toBe(0)
  })
})
