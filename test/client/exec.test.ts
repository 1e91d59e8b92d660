import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../server/kit.ts'
import { echo, House } from './house.ts'
import { BIN, expectOneLine, Home } from './run.ts'

let home: Home
let house: House
beforeEach(async () => {
  home = new Home()
  house = await House.build('hangs up', echo)
  await house.invite(home, 'home', '--otp-command', 'echo 123456')
})
afterEach(async () => {
  await house.demolish()
  home.remove()
})

const exec = (...args: string[]) => home.run(['exec', 'home', ...args])
const verbs = () => house.server.received.map(({ knock: { verb } }) => verb)

describe('exec', () => {
  it('knocks, then runs the command with this input and output, and ends with its status', async () => {
    const script = 'cat; echo "$1"; echo err >&2; exit 7'
    const run = await home.run(
      ['exec', 'home', 'ssh', '--', 'sh', '-c', script, 'sh', '--close'],
      'input\n',
    )
    expect(run).toEqual({ status: 7, stdout: 'input\n--close\n', stderr: 'err\n' })
    expect(house.server.received[0]!.knock).toMatchObject({ verb: 'open', services: ['ssh'] })
    expect(verbs()).toEqual(['open'])
  })

  it('closes at the end if told to, whatever the command ends with', async () => {
    house.says = ({ knock: { verb } }) =>
      verb === 'close' ? { status: 'closed', lifetime: 0 } : {}
    expect(await exec('ssh', '--close', '--', 'false')).toEqual({
      status: 1,
      stdout: '',
      stderr: '',
    })
    expect(verbs()).toEqual(['open', 'close'])
    expect(house.server.received[1]!.knock.services).toEqual(['ssh'])
  })

  it('says so if it could not close, and ends with the command’s status', async () => {
    house.says = ({ knock: { verb } }) =>
      verb === 'close' ? { status: 'refused', reason: 'locked', lifetime: 0 } : {}
    const run = await exec('--close', '--', 'true')
    expect(run).toMatchObject({ status: 0, stdout: '' })
    expect(run.stderr).toMatch(/^oneknock: not closed.*locked.*\n$/)
  })

  it('knocks each time, or with --if-needed only when it is not open', async () => {
    await exec('--', 'true')
    await exec('--if-needed', '--', 'true')
    expect(house.knocks).toBe(1)
    await exec('--', 'true')
    expect(house.knocks).toBe(2)
  })

  it('shares one knock with those who run at the same time', async () => {
    house.says = ({ knock }, { server }) =>
      server.received.filter(other => other.knock.knockId === knock.knockId).length < 2
        ? undefined
        : {}
    const runs = await Promise.all([1, 2, 3, 4].map(n => exec('--', 'sh', '-c', `exit ${n}`)))
    expect(runs.map(({ status }) => status)).toEqual([1, 2, 3, 4])
    expect(house.knocks).toBe(1)
  })

  it.each([
    ['a signal that ends it', ['sh', '-c', 'kill -TERM $$'], 143],
    ['a program that is not there', ['/no/such/program'], 127],
    ['a file that is no program', ['/etc/passwd'], 126],
  ])('tells as shells do of %s', async (_what, command, status) => {
    expect((await exec('--', ...command)).status).toBe(status)
  })
})

describe('exec fails with 125', () => {
  it('when it is refused, and runs nothing', async () => {
    house.says = () => ({ status: 'refused', reason: 'wrong-factor' })
    expectOneLine(await exec('--', 'echo', 'ran'), 125, 'refused')
  })

  it.each([
    [['home'], 'no command to run'],
    [['home', '--'], 'no command to run'],
    [['home', '--bad', '--', 'true'], '--bad'],
    [['nowhere', '--', 'true'], 'no target'],
    [['home', '--lifetime', 'x', '--', 'true'], '--lifetime'],
    [['home', '--otp', '1', '--', 'true'], '6 digits'],
  ])('for a mistake of one’s own: %j', async (args, word) => {
    expectOneLine(await home.run(['exec', ...args]), 125, word)
  })
})

describe('a signal', () => {
  const TRAP =
    'trap "echo got it; exit 9" TERM HUP INT USR1; echo ready; while :; do sleep 0.05; done'

  it.each(['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR1'] as const)(
    '%s goes to the command, whose answer is the end',
    async signal => {
      // Without a terminal: from the keyboard the command would hear it by itself.
      const child = spawn(process.execPath, [BIN, 'exec', 'home', '--', 'sh', '-c', TRAP], {
        env: home.env,
        detached: true,
      })
      let said = ''
      child.stdout.on('data', chunk => {
        said += chunk
      })
      await until(
        () => said,
        text => text === 'ready\n',
        10_000,
      )
      child.kill(signal)
      expect(await once(child, 'close')).toEqual([9, null])
      expect(said).toBe('ready\ngot it\n')
    },
  )

  it('from the keyboard comes to the command once', async () => {
    const counting =
      'n=0; trap "n=\\$((n+1)); echo heard-\\$n" INT; echo ready; while [ ! -e "$STOP" ]; do sleep 0.05; done; exit 5'
    const line = `exec "$NODE" "$BIN" exec home -- sh -c '${counting}'`
    const env = { ...home.env, BIN, NODE: process.execPath, STOP: `${home.path}/stop` }
    const screen = spawn('script', ['-qec', line, '/dev/null'], { env })
    let shown = ''
    screen.stdout.on('data', chunk => {
      shown += chunk
    })
    await until(
      () => shown,
      text => text.includes('ready'),
      10_000,
    )
    screen.stdin.write('\x03')
    await until(
      () => shown,
      text => text.includes('heard-1'),
      10_000,
    )
    writeFileSync(`${home.path}/stop`, '')
    expect(await once(screen, 'close')).toEqual([5, null])
    expect(shown).not.toContain('heard-2')
  })
})
