import type { ChildProcess } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { FAILURES_MAX } from '../../../server/src/core/lockout.ts'
import { until } from '../kit.ts'
import { codeOf, type Enrolled, Gateway } from './gateway.ts'

let g: Gateway
let daemon: ChildProcess

beforeAll(async () => {
  g = await Gateway.make()
  daemon = await g.start()
})
/** The gate knows hosts, and everybody here comes from one. */
afterEach(() => g.putAllOut())
afterAll(() => g.remove())

/** Locks a device out, as whoever has its key and no phone would. */
async function guess(enrolled: Enrolled) {
  const wrong = codeOf(enrolled) === '000000' ? '000001' : '000000'
  const knocker = g.knocker(enrolled)
  for (let i = 0; i < FAILURES_MAX; i++) {
    await knocker.ask({ factor: { kind: 'totp', code: wrong } })
  }
  return knocker
}

/** Connects to the service behind the gate; resolves once it answers, with when the connection ends. */
async function goIn(): Promise<{ closed: Promise<unknown> }> {
  const inside = connect(g.gatePort, '127.0.0.1')
  let heard = ''
  inside.on('data', data => {
    heard += data
  })
  inside.on('error', () => {})
  const closed = new Promise(resolve => inside.once('close', resolve))
  inside.write('hello')
  await until(
    () => heard,
    text => text === 'hello',
  )
  return { closed }
}

describe('user lock', () => {
  it('cuts what is connected though its grant is over, as most that is connected is', async () => {
    const zoe = await g.somebody()
    const factor = { kind: 'totp', code: codeOf(zoe) } as const
    await g.knocker(zoe).ask({ factor, lifetime: 1 })
    const { closed } = await goIn()
    await until(
      () => g.json('grants'),
      grants => grants.length === 0,
    )
    expect(await g.run('user', 'lock', zoe.user)).toMatchObject({ status: 0 })
    await closed
    const { stdout } = await g.run('audit', 'show', '--user', zoe.user)
    expect(stdout).toMatch(/Z +user-\d+ +web +cut: removed$/m)
  })

  it('puts somebody out at once: the grant ends, and what is connected is cut', async () => {
    const alice = await g.somebody()
    const { user } = alice
    await g.letIn(alice)
    const { closed } = await goIn()
    appendFileSync(g.userFile(user), '# Room 12.\n')
    const before = readFileSync(g.userFile(user), 'utf8')

    expect(await g.run('user', 'lock', user)).toEqual({
      status: 0,
      stdout: `${user} is locked: what was open for them is closed.\n`,
      stderr: 'The running daemon has taken it up.\n',
    })
    await closed
    expect(await g.json('grants')).toEqual([])
    expect(await g.letIn(alice)).toMatchObject({ status: 'refused', reason: 'locked' })
    expect(await g.json('user', 'show', user)).toMatchObject({ locked: true })

    expect(await g.json('user', 'unlock', user)).toMatchObject({ locked: false })
    expect(readFileSync(g.userFile(user), 'utf8')).toBe(before)
    const code = codeOf(alice, 1)
    const reply = await g.knocker(alice).ask({ factor: { kind: 'totp', code } })
    expect(reply.status).toBe('opened')
  })

  it('is no success where the daemon could not take it up', async () => {
    const { user } = await g.somebody()
    const settings = readFileSync(g.config, 'utf8')
    // The files of the others are right, but one of them is not any more.
    writeFileSync(g.userFile('alice'), 'nonsense', { mode: 0o600 })
    onTestFinished(() => rmSync(g.userFile('alice'), { force: true }))
    const locked = await g.run('user', 'lock', user, '--json')
    expect(locked.status).toBe(1)
    expect(JSON.parse(locked.stdout)).toEqual({ user, locked: true, in_effect: false })
    expect(locked.stderr).toMatch(/^The running daemon has NOT taken it up: .*alice.toml:1: /)
    expect((await g.run('user', 'remove', 'alice')).status).toBe(0)
    expect(existsSync(g.userFile('alice'))).toBe(false)
    expect(readFileSync(g.config, 'utf8')).toBe(settings)
  })
})

describe('user unlock', () => {
  it('forgives wrong codes, in the running daemon and on record', async () => {
    const carol = await g.somebody()
    const locked = expect.objectContaining({ who: `${carol.user}/main` })
    const knocker = await guess(carol)
    const good = { kind: 'totp', code: codeOf(carol) } as const
    expect(await knocker.ask({ factor: good })).toMatchObject({ reason: 'locked' })
    expect((await g.json('status')).locked).toContainEqual(locked)
    const words = new RegExp(`^locked out .*\\b${carol.user}/main until 2`, 'm')
    expect((await g.run('status')).stdout).toMatch(words)

    await g.json('user', 'unlock', carol.user)
    expect((await g.json('status')).locked).not.toContainEqual(locked)
    expect(await knocker.ask({ factor: good })).toMatchObject({ status: 'opened' })
    const { stdout } = await g.run('audit', 'show', '--user', carol.user)
    expect(stdout).toMatch(/Z +user-\d+ +unlocked$/m)
  })

  it('works through the ledger while no daemon runs', async () => {
    const dave = await g.somebody()
    const locked = expect.objectContaining({ who: `${dave.user}/main` })
    await guess(dave)
    await g.end(daemon, 'SIGKILL')
    const status = await g.run('status', '--json')
    const unlocked = await g.run('user', 'unlock', dave.user)
    daemon = await g.start()
    expect(JSON.parse(status.stdout).locked).toContainEqual(locked)
    expect(unlocked).toMatchObject({
      status: 0,
      stderr: `No daemon runs on ${g.state}; it is in its ledger.\n`,
    })
    expect((await g.json('status')).locked).not.toContainEqual(locked)
    expect(await g.letIn(dave)).toMatchObject({ status: 'opened' })
  })

  it('knows nobody whom there is not', async () => {
    expect(await g.run('user', 'unlock', 'mallory')).toMatchObject({
      status: 1,
      stderr: `oneknockd: there is no user mallory; see: oneknockd user list --config ${g.config}\n`,
    })
  })
})

describe('user reset', () => {
  it('makes the lost phone and its recovery codes useless, and leaves the devices', async () => {
    const erin = await g.somebody()
    const before = await g.json('user', 'show', erin.user)
    const reset = await g.json('user', 'reset', erin.user)
    expect(Object.keys(reset)).toEqual(['user', 'otpauth', 'recovery_codes'])
    const old = { kind: 'totp', code: codeOf(erin) } as const
    const knocker = g.knocker(erin)
    expect(await knocker.ask({ factor: old })).toMatchObject({ reason: 'wrong-factor' })
    const lost = { kind: 'recovery', code: erin.recovery_codes[0]! } as const
    expect(await knocker.ask({ factor: lost })).toMatchObject({ reason: 'wrong-factor' })
    const fresh = { kind: 'totp', code: codeOf(reset) } as const
    expect(await knocker.ask({ factor: fresh })).toMatchObject({ status: 'opened' })
    const paper = { kind: 'recovery', code: reset.recovery_codes[9] } as const
    expect(await knocker.ask({ factor: paper })).toMatchObject({ status: 'opened' })
    expect(await g.json('user', 'show', erin.user)).toEqual(before)
  })
})
