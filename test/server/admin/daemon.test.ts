import type { ChildProcess } from 'node:child_process'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Gateway } from './gateway.ts'

let g: Gateway
let daemon: ChildProcess

beforeAll(async () => {
  g = await Gateway.make()
  await g.add('alice')
  daemon = await g.start()
})
afterAll(() => g.remove())

/** A connection through the gate, and whether the service behind it answers. */
async function visit() {
  const socket = connect(g.gatePort, '127.0.0.1')
  const ended = new Promise<'ended'>(resolve => socket.once('close', () => resolve('ended')))
  socket.on('error', () => {})
  const heard = new Promise<string>(resolve => socket.once('data', data => resolve(`${data}`)))
  socket.write('hello')
  return { said: await Promise.race([heard, ended]), ended }
}

describe('with a running daemon', () => {
  afterEach(() => g.putAllOut())

  it('status says how it is', async () => {
    const status = await g.json('status')
    expect(status).toMatchObject({
      running: true,
      pid: daemon.pid,
      users: 1,
      devices: 1,
      grants: 0,
      locked: [],
    })
    expect(status.ledger).toEqual(await g.json('audit', 'head'))
    const { stdout } = await g.run('status')
    expect(stdout).toMatch(/^running +yes$/m)
    expect(stdout).toMatch(/^people +1 user, 1 device$/m)
  })

  it('grants says who is in; close puts them out at once', async () => {
    expect(await g.run('grants')).toEqual({ status: 0, stdout: '', stderr: 'Nobody is in.\n' })
    const alice = await g.somebody()
    const reply = await g.letIn(alice)
    expect(reply.status).toBe('opened')
    const inside = await visit()
    expect(inside.said).toBe('hello')

    const [grant] = await g.json('grants')
    expect(grant).toMatchObject({
      user: alice.user,
      device: 'main',
      services: ['web'],
      addresses: ['127.0.0.1'],
      state: 'open',
    })
    expect((await g.run('grants')).stdout).toContain(
      `${grant.grant}  ${alice.user}  main    web       127.`,
    )
    expect(await g.run('close', grant.grant)).toEqual({
      status: 0,
      stdout: `${grant.grant} is closed, and its connections are cut.\n`,
      stderr: '',
    })
    expect(await inside.ended).toBe('ended')
    expect((await visit()).said).toBe('ended')
    expect(await g.json('grants')).toEqual([])
  })

  it('close says what another grant keeps open, and then cuts nothing', async () => {
    await g.letIn(await g.somebody())
    await g.letIn(await g.somebody())
    const inside = await visit()
    const [first, second] = await g.json('grants')
    const closed = await g.run('close', first.grant)
    expect(closed).toMatchObject({ status: 0, stderr: '' })
    expect(closed.stdout).toBe(
      `${first.grant} has ended.\nweb stays open for 127.0.0.1 until ${second.until}, with its connections: another grant needs it.\n`,
    )
    expect((await visit()).said).toBe('hello')
    expect(await g.json('close', second.grant)).toEqual({
      closed: second.grant,
      doors: 'closed',
      still_open: [],
      uncut: [],
    })
    expect(await inside.ended).toBe('ended')
  })

  it('close names what there is not', async () => {
    expect(await g.run('close', 'abc')).toEqual({
      status: 1,
      stdout: '',
      stderr: `oneknockd: there is no grant abc; see: oneknockd grants --config ${g.config}\n`,
    })
  })

  it('reload takes up what is right, and says all that is wrong', async () => {
    expect(await g.run('reload')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('has taken up the configuration'),
    })
    const before = readFileSync(g.config, 'utf8')
    onTestFinished(() => writeFileSync(g.config, before))
    appendFileSync(g.config, 'lifteime = "1h"\n[services.wiki]\n')
    const refused = await g.run('reload')
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toMatch(/^oneknockd: .*lifteime: .*\noneknockd: .*services.wiki: .*\n$/)
    // A slip in the file keeps nobody from asking.
    expect((await g.run('status')).status).toBe(0)
  })
})

describe('without a daemon', () => {
  beforeAll(() => g.end(daemon, 'SIGKILL'))

  it('status says so, and what the ledger says', async () => {
    const { status, stdout } = await g.run('status', '--json')
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ running: false, grants: 0, locked: [] })
  })

  it.each([
    [['close', 'abc'], 'a door is closed by whoever holds it'],
    [['reload'], 'it reads its configuration when it starts'],
    [['audit', 'tail', '--follow'], 'there is nothing to follow'],
  ])('%j says why it cannot', async (args, why) => {
    const refused = await g.run(...args)
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toMatch(/^oneknockd: no daemon runs on [^\n]+\n$/)
    expect(refused.stderr).toContain(why)
  })

  it('grants are those on record', async () => {
    const [second, bob] = [await g.start(), await g.somebody()]
    const reply = await g.letIn(bob)
    await g.end(second, 'SIGKILL')
    expect(reply.status).toBe('opened')
    const { stdout, stderr } = await g.run('grants', '--json')
    const opened = { user: bob.user, services: ['web'], state: 'open' }
    expect(JSON.parse(stdout)).toContainEqual(expect.objectContaining(opened))
    expect(stderr).toContain('this is what its ledger says')
  })
})
