import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  onTestFinished,
} from 'vitest'
import { FAILURES_MAX } from '../../../server/src/core/lockout.ts'
import { codeOf, type Enrolled, Gateway } from '../admin/gateway.ts'
import { isRoot, lacking, MAIN } from './cli.ts'
import { Person } from './person.ts'
import { piped } from './piped.ts'
import { type Site, site } from './site.ts'

const wrongFor = (enrolled: Enrolled) => (codeOf(enrolled) === '000000' ? '000001' : '000000')
const right = ({ user }: Enrolled) => ({ status: 0, stdout: `${user}: right\n`, stderr: '' })
const refused = ({ user }: Enrolled, why: string) => ({
  ...{ status: 1, stdout: `${user}: ${why}\n`, stderr: '' },
})

describe('otp verify, with the daemon running', () => {
  let g: Gateway
  beforeAll(async () => {
    g = await Gateway.make()
    await g.add('alice')
    await g.start()
  })
  afterAll(() => g.remove())

  it('says yes once, and the packet’s door knows the code as used', async () => {
    const bob = await g.somebody()
    const code = codeOf(bob)
    const verify = (typed: string) => piped(g.config, typed, 'otp', 'verify', bob.user, '-')
    expect(await verify(`${code}\n`)).toEqual(right(bob))
    expect(await verify(code)).toEqual(refused(bob, 'factor-used'))
    const factor = { kind: 'totp', code } as const
    expect(await g.knocker(bob).ask({ factor })).toMatchObject({ reason: 'factor-used' })
    expect(await g.json('grants')).toEqual([])
  })

  it('takes a code as an argument, and tells a program in JSON', async () => {
    const bob = await g.somebody()
    const { user } = bob
    const args = ['otp', 'verify', user, codeOf(bob), '--from', '203.0.113.9', '--json']
    const yes = { user, verified: true, reason: 'none', detail: '' }
    const no = { user, verified: false, reason: 'factor-used', detail: '' }
    const first = await g.run(...args)
    expect({ ...first, stdout: JSON.parse(first.stdout) }).toEqual({
      ...{ status: 0, stderr: '', stdout: yes },
    })
    const second = await g.run(...args)
    expect({ status: second.status, said: JSON.parse(second.stdout) }).toEqual({
      ...{ status: 1, said: no },
    })
    const rows = await g.json('audit', 'show', '--user', user)
    expect(rows).toContainEqual(
      expect.objectContaining({ result: 'verified', device: '@otp', from: '203.0.113.9' }),
    )
  })

  it('locks its own door after wrong codes, and that alone', async () => {
    const bob = await g.somebody()
    for (let i = 0; i < FAILURES_MAX; i++) {
      expect(await g.run('otp', 'verify', bob.user, wrongFor(bob))).toMatchObject({ status: 1 })
    }
    const locked = await g.run('otp', 'verify', bob.user, codeOf(bob))
    expect(locked).toMatchObject({
      status: 1,
      stdout: expect.stringContaining(`${bob.user}: locked`),
    })
    expect(await g.letIn(bob)).toMatchObject({ status: 'opened' })
  })

  it('tells of nobody whether they exist', async () => {
    expect(await g.run('otp', 'verify', 'nobody', '123456')).toMatchObject({
      status: 1,
      stdout: 'nobody: wrong-factor\n',
    })
  })

  it.each([
    ['a name that is an option', ['--help', '-']],
    ['a name that is another', ['--version', '-']],
    ['a name that is no name', ['../alice', '-']],
    ['a name that asks for help behind dashes', ['--', '--help', '-']],
    ['no name', []],
    ['no code at all', ['alice', '-']],
    ['too many words', ['alice', '-', '123456']],
    ['no terminal', ['alice']],
  ])('never ends with 0 for %s', async (_, args) => {
    expect(await piped(g.config, '', 'otp', 'verify', ...args)).toMatchObject({ status: 1 })
  })

  it.skipIf(lacking(spawnSync('script', ['--version']).status === 0))(
    'asks on a terminal, and shows nothing of the code',
    async () => {
      const carol = await g.somebody()
      const person = new Person(g, `otp verify ${carol.user}`)
      onTestFinished(() => person.leave())
      await person.sees(`Code of ${carol.user}: `)
      const code = codeOf(carol)
      person.type(`${code}\r`)
      await person.sees('status=0')
      expect(person.shown).toContain(`${carol.user}: right`)
      expect(person.shown).not.toContain(code)
    },
  )

  const service = `oneknock-test-${process.pid}`
  const pam = join('/etc/pam.d', service)
  afterEach(() => rmSync(pam, { force: true }))

  it.skipIf(lacking(isRoot && spawnSync('sh', ['-c', 'command -v pamtester']).status === 0))(
    'is a factor of PAM, by pam_exec',
    async () => {
      const dave = await g.somebody()
      const command = `${process.execPath} ${MAIN} --config ${g.config} otp verify --pam`
      writeFileSync(pam, `auth required pam_exec.so expose_authtok quiet ${command}\n`)
      const login = (user: string, typed: string) =>
        spawnSync('pamtester', ['-I', 'rhost=192.0.2.8', service, user, 'authenticate'], {
          input: `${typed}\n`,
          encoding: 'utf8',
        })
      expect(login(dave.user, wrongFor(dave)).status).toBe(1)
      const code = codeOf(dave)
      expect(login(dave.user, code)).toMatchObject({
        status: 0,
        stdout: expect.stringContaining('successfully authenticated'),
      })
      expect(login(dave.user, code).status).toBe(1)
      expect(login('--help', code).status).toBe(1)
      const rows = await g.json('audit', 'show', '--user', dave.user)
      expect(rows.map(({ from }: { from: string }) => from)).toContain('192.0.2.8')
    },
  )
})

describe('otp verify, without a daemon', () => {
  let s: Site
  let alice: Enrolled
  beforeEach(async () => {
    s = site()
    const added = await s.run(['user', 'add', 'alice', '--services', 'web', '--json'])
    alice = JSON.parse(added.stdout)
  })

  const verify = (code: string) => s.run(['otp', 'verify', 'alice', code])

  it('works on the ledger: a code is good once, and wrong ones count', async () => {
    const code = codeOf(alice)
    expect(await verify(code)).toEqual(right(alice))
    expect(await verify(code)).toEqual(refused(alice, 'factor-used'))
    for (let i = 0; i < FAILURES_MAX; i++) {
      expect(await verify(wrongFor(alice))).toEqual(refused(alice, 'wrong-factor'))
    }
    expect((await verify(codeOf(alice, 1))).stdout).toMatch(/^alice: locked \(until /)
    expect(await s.run(['user', 'unlock', 'alice'])).toMatchObject({ status: 0 })
    expect(await verify(codeOf(alice, 1))).toEqual(right(alice))
    const proof = await s.run(['audit', 'verify'])
    expect(proof).toMatchObject({ status: 0 })
  })

  it('takes turns with others who verify at the same time: one of them gets the code', async () => {
    const code = codeOf(alice)
    const outcomes = await Promise.all([verify(code), verify(code), verify(code)])
    expect(outcomes.filter(({ status }) => status === 0)).toHaveLength(1)
    expect(outcomes.filter(({ stdout }) => stdout === 'alice: factor-used\n')).toHaveLength(2)
  })

  it('says no if it cannot be recorded', async () => {
    writeFileSync(join(s.state, 'ledger'), 'in the way of the folder')
    const { status, stdout } = await verify(codeOf(alice))
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  })

  it('writes no code down anywhere', async () => {
    await verify(codeOf(alice))
    const folder = join(s.state, 'ledger')
    const ledger = readdirSync(folder).map(file => readFileSync(join(folder, file), 'utf8'))
    const secret = new URL(alice.otpauth).searchParams.get('secret')!
    expect(ledger.join('\n')).toContain('"verb":"verify"')
    expect(ledger.join('\n')).not.toContain(secret)
    expect(ledger.join('\n')).not.toMatch(/"code"/)
  })
})
