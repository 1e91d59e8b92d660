import { writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FakeServer } from './fake-server.ts'
import { expectOneLine, Home, invitation, serveTarget } from './run.ts'

let home: Home
let server: FakeServer | undefined
beforeEach(() => {
  home = new Home()
})
afterEach(async () => {
  await server?.stop()
  home.remove()
})

const serve = async (said?: Parameters<typeof serveTarget>[1]): Promise<FakeServer> => {
  server = await serveTarget(home, said)
  return server
}

const knock = (...args: string[]) => home.run(['knock', 'home', ...args])

describe('the code', () => {
  it('comes from a command, whose output is trimmed', async () => {
    const { received } = await serve()
    await knock('--otp-command', 'echo; echo "  $((123455 + 1)) "')
    expect(received[0]!.knock.factor).toEqual({ kind: 'totp', code: '123456' })
  })

  it("comes from the target's own command, unless told otherwise", async () => {
    const { received, port } = await serve()
    await home.run(['add', '--name', 'auto', '--otp-command', 'echo 111111'], invitation({ port }))
    const auto = (...args: string[]) => home.run(['knock', 'auto', ...args])
    await auto()
    await auto('--otp-command', 'echo 222222')
    await auto('--otp', '333333')
    await auto('--no-otp')
    expect(received.map(({ knock: { factor } }) => factor.code)).toEqual([
      '111111',
      '222222',
      '333333',
      '',
    ])
    expect(received[3]!.knock.factor.kind).toBe('none')
  })

  it('comes from SSH_ASKPASS when there is no terminal', async () => {
    const { received } = await serve()
    const program = `${home.path}/askpass`
    writeFileSync(program, '#!/bin/sh\ntest "$1" = "Code for home: " && echo 654321\n', {
      mode: 0o755,
    })
    home.env.SSH_ASKPASS = program
    expect(await knock()).toMatchObject({ status: 0 })
    expect(received[0]!.knock.factor.code).toBe('654321')
  })

  it('does not come from SSH_ASKPASS if SSH_ASKPASS_REQUIRE forbids it', async () => {
    await serve()
    home.env.SSH_ASKPASS = '/bin/echo'
    home.env.SSH_ASKPASS_REQUIRE = 'never'
    expectOneLine(await knock(), 1, 'no terminal')
  })

  it('is missed in one line when there is nobody to ask', async () => {
    await serve()
    expectOneLine(await knock(), 1, '--otp-command', 'SSH_ASKPASS')
  })

  it.each([
    ['exit 3', 'ended with status 3'],
    ['kill -TERM $$', 'ended by SIGTERM'],
    ['true', 'is empty'],
    ['echo 9876543', '6 digits, not 7'],
    ['echo 987654; echo 987654', 'one line'],
  ])('is not sent when its command fails (%s), and is not shown', async (command, word) => {
    const { received } = await serve()
    const run = await knock('--otp-command', command)
    expectOneLine(run, 2, 'the code command', word)
    expect(run.stderr).not.toContain('98765')
    expect(received).toEqual([])
  })

  it('is not shown by anything that becomes of it', async () => {
    await serve({ status: 'refused', reason: 'wrong-factor' })
    const run = await knock('--otp', '424242', '--json')
    expect(run).toMatchObject({ status: 4, stdout: expect.stringContaining('wrong-factor') })
    expect(run.stdout + run.stderr).not.toContain('424242')
  })
})
