import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../server/kit.ts'
import { echo, House } from './house.ts'
import { expectOneLine, Home } from './run.ts'

let home: Home
let house: House
beforeEach(async () => {
  home = new Home()
  house = await House.build('hangs up', echo)
})
afterEach(async () => {
  await house.demolish()
  home.remove()
})

/** Prints a code, and a line into a file for each time that it was asked. */
const codes = () => `echo asked >> ${home.path}/asked; echo 123456`
const asked = () =>
  existsSync(`${home.path}/asked`)
    ? readFileSync(`${home.path}/asked`, 'utf8').split('\n').length - 1
    : 0
const ifNeeded = (...args: string[]) => home.run(['knock', 'home', '--if-needed', ...args])
const kept = () => join(home.path, 'state', 'oneknock', hostname())

describe('knock --if-needed', () => {
  beforeEach(() => house.invite(home, 'home', '--otp-command', codes()))

  it('knocks the first time, and not while it is open', async () => {
    expect(await ifNeeded()).toMatchObject({ status: 0, stderr: '' })
    const again = await ifNeeded()
    expect(again).toMatchObject({ status: 0, stderr: '' })
    expect(again.stdout).toMatch(/^open already, for another 29m\d+s\n$/)
    expect(house.knocks).toBe(1)
    expect(asked()).toBe(1)
  })

  it('relies on what a plain knock opened', async () => {
    await home.run(['knock', 'home'])
    const { stdout } = await ifNeeded('--json')
    expect(JSON.parse(stdout)).toEqual({
      target: 'home',
      status: 'open',
      until: expect.stringMatching(/^\d{4}-.*Z$/),
    })
    expect(house.knocks).toBe(1)
  })

  it('knocks for what nobody asked for yet', async () => {
    house.says = ({ knock: { services } }) => ({ detail: services.join(' ') || 'ssh' })
    await ifNeeded('ssh')
    await ifNeeded()
    await ifNeeded('wiki', 'ssh')
    await ifNeeded('--address', '127.0.0.0/24')
    expect(house.knocks).toBe(4)
    await ifNeeded('ssh', 'wiki')
    expect(house.knocks).toBe(4)
  })

  it('relies on a door that opens more than what is asked for, for the same address', async () => {
    house.says = () => ({ detail: 'ssh wiki +2' })
    await ifNeeded()
    expect((await ifNeeded('wiki')).stdout).toContain('open already')
    expect((await ifNeeded('wiki', 'ssh')).stdout).toContain('open already')
    expect(house.knocks).toBe(1)
    // Perhaps one of the two that have no name in the reply.
    await ifNeeded('mail')
    await ifNeeded('ssh', '--address', '127.0.0.0/24')
    expect(house.knocks).toBe(3)
  })

  it('knocks for what was closed, and for nothing else', async () => {
    house.says = ({ knock: { verb } }) =>
      verb === 'open' ? { detail: 'ssh wiki' } : { status: 'closed', detail: 'ssh' }
    await ifNeeded()
    await home.run(['close', 'home', 'ssh'])
    expect((await ifNeeded('wiki')).stdout).toContain('open already')
    expect(house.knocks).toBe(2)
    expect((await ifNeeded()).stdout).toContain('open: ssh')
    await home.run(['close', 'home', 'ssh'])
    expect((await ifNeeded('ssh')).stdout).toContain('open: ssh')
  })

  it('relies on what a close that was refused has left open', async () => {
    await ifNeeded()
    house.says = () => ({ status: 'refused', reason: 'locked' })
    expect((await home.run(['close', 'home'])).status).toBe(4)
    expect((await ifNeeded()).stdout).toContain('open already')
    expect(house.knocks).toBe(2)
  })

  it('knocks once its time is up, or nearly', async () => {
    house.says = () => ({ lifetime: 1 })
    await ifNeeded()
    expect(await ifNeeded()).toMatchObject({ status: 0, stderr: '' })
    expect(house.knocks).toBe(2)
  })

  it('knocks again after close, and after a knock was refused', async () => {
    house.says = ({ knock: { verb } }) => (verb === 'close' ? { status: 'closed' } : {})
    await ifNeeded()
    await home.run(['close', 'home'])
    house.says = () => ({ status: 'refused', reason: 'locked' })
    expectOneLine(await ifNeeded(), 4, 'refused')
    expectOneLine(await ifNeeded(), 4, 'refused')
    expect(house.knocks).toBe(4)
  })

  it('knocks when this machine has another address towards the server', async () => {
    await ifNeeded()
    const file = join(kept(), 'home.doors')
    const text = readFileSync(file, 'utf8')
    expect(text).toContain('"own":"127.0.0.1"')
    writeFileSync(file, text.replace('"own":"127.0.0.1"', '"own":"192.0.2.7"'))
    await ifNeeded()
    expect(house.knocks).toBe(2)
  })

  it('knocks when the clock was set back', async () => {
    await ifNeeded()
    const file = join(kept(), 'home.doors')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace(/"madeAt":\d+/, `"madeAt":${Date.now() + 60_000}`))
    await ifNeeded()
    expect(house.knocks).toBe(2)
  })

  it.each(['', '{', 'null', '{"device":"","doors":[{}]}'])(
    'knocks when it finds %j',
    async text => {
      await ifNeeded()
      writeFileSync(join(kept(), 'home.doors'), text)
      expect(await ifNeeded()).toMatchObject({ status: 0, stderr: '' })
      expect(house.knocks).toBe(2)
    },
  )

  it('forgets the doors of a target that was removed and added with another device', async () => {
    await ifNeeded()
    const profile = readFileSync(home.file('home'), 'utf8')
    writeFileSync(home.file('home'), profile.replace('"laptop"', '"tablet"'))
    await ifNeeded()
    expect(house.knocks).toBe(2)
  })

  it('keeps what it needs for its owner alone, and no secret', async () => {
    await ifNeeded()
    const files = readdirSync(kept())
    expect(files.sort()).toEqual(['home.doors', 'home.turn-1'])
    for (const file of files) {
      expect(readFileSync(join(kept(), file), 'utf8')).not.toContain('123456')
    }
  })

  it('says so when it cannot keep anything, and opens all the same', async () => {
    writeFileSync(join(home.path, 'state'), '')
    const run = await ifNeeded()
    expect(run.status).toBe(0)
    expect(run.stderr).toMatch(/^oneknock: warning: .*ENOTDIR\n$/)
  })
})

describe('knock --if-needed --port', () => {
  beforeEach(() => house.invite(home, 'home', '--otp-command', codes()))
  const probe = (port: string | number = house.port) => ifNeeded('--port', `127.0.0.1:${port}`)

  it('knocks if a gate hangs up, and not if the service lets one in', async () => {
    expect((await probe()).stdout).toContain('open: ssh')
    expect(await probe()).toMatchObject({ status: 0, stdout: 'open already: it answers\n' })
    expect(house.knocks).toBe(1)
  })

  it('knocks if nobody listens, whatever was opened before', async () => {
    await ifNeeded()
    await house.demolish()
    const other = await House.build('refuses', echo)
    try {
      await home.run(['remove', 'home'])
      await other.invite(home, 'home', '--otp-command', codes())
      await probe(other.port)
      await other.shut()
      await probe(other.port)
      expect(other.knocks).toBe(2)
    } finally {
      await other.demolish()
    }
  })

  it.each(['22', 'host:', ':22', 'host:0', 'host:65536', 'host:x'])('refuses %j', async port => {
    expectOneLine(await ifNeeded('--port', port), 1, '--port', '%h:%p')
  })

  it('goes with --if-needed only', async () => {
    expectOneLine(await home.run(['knock', 'home', '--port', 'a:1']), 1, '--if-needed')
  })
})

describe('runs at the same time', () => {
  beforeEach(() => house.invite(home, 'home', '--otp-command', codes()))

  it('share one knock and one code, and all go through', async () => {
    const runs = await Promise.all(Array.from({ length: 6 }, () => ifNeeded()))
    expect(runs.map(({ status }) => status)).toEqual([0, 0, 0, 0, 0, 0])
    expect(house.knocks).toBe(1)
    expect(asked()).toBe(1)
  })

  it('share a refusal too: a wrong code counts once', async () => {
    house.says = (_received, { server }) =>
      server.received.length < 2 ? undefined : { status: 'refused', reason: 'wrong-factor' }
    const runs = await Promise.all(Array.from({ length: 4 }, () => ifNeeded()))
    for (const run of runs) expectOneLine(run, 4, 'wrong')
    expect(house.knocks).toBe(1)
  })

  it('go through with one more knock when the one that knocks is killed', async () => {
    let victim = 0
    house.says = ({ knock }) => (knock.knockId === firstKnock() ? undefined : {})
    const firstKnock = () => house.server.received[0]?.knock.knockId
    const pidFile = join(kept(), 'home.turn-1')
    const runs = Array.from({ length: 5 }, () => ifNeeded())
    await until(
      () => house.knocks,
      knocks => knocks === 1,
      10_000,
    )
    victim = JSON.parse(readFileSync(pidFile, 'utf8')).pid
    process.kill(victim, 'SIGKILL')
    const ended = await Promise.all(runs)
    expect(ended.map(({ status }) => status).sort()).toEqual([0, 0, 0, 0, null])
    expect(house.knocks).toBe(2)
    expect(asked()).toBe(2)
  })
})
