import { spawn } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FakeServer } from './fake-server.ts'
import { echo, House } from './house.ts'
import { BIN, Home, invitation, serveTarget } from './run.ts'

/** EX_IOERR of sysexits.h. */
const LOST = 74

let home: Home
let server: FakeServer | undefined
beforeEach(() => {
  home = new Home()
})
afterEach(async () => {
  await server?.stop()
  server = undefined
  home.remove()
})

interface Ended {
  readonly status: number | null
  readonly stderr: string
}

/** A real process whose standard output is a device that is always full. */
function runFull(...args: string[]): Promise<Ended> {
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [BIN, ...args], {
    env: home.env,
    detached: true,
    stdio: ['ignore', full, 'pipe'],
  })
  closeSync(full)
  return ended(child)
}

function ended(child: ReturnType<typeof spawn>): Promise<Ended> {
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  return new Promise(resolve => child.on('close', status => resolve({ status, stderr })))
}

const NOT_WRITTEN = 'oneknock: cannot write the answer (ENOSPC); see where standard output goes\n'

describe('an answer that cannot be written', () => {
  it.each([['list'], ['list', '--json'], ['--help'], ['completion', 'bash']])(
    'is one line on stderr, and a status of its own: %s %s',
    async (...args) => {
      await home.run(['add'], invitation())
      expect(await runFull(...args)).toEqual({ status: LOST, stderr: NOT_WRITTEN })
    },
  )

  it.each([
    ['knock', 'home', '--otp', '123456'],
    ['close', 'home'],
  ])('does not pass for success: %s', async (...args) => {
    server = await serveTarget(home)
    expect(await runFull(...args)).toEqual({ status: LOST, stderr: NOT_WRITTEN })
    expect(server.received).toHaveLength(1)
  })

  it('does not hide what the command failed with', async () => {
    server = await serveTarget(home, { status: 'refused', reason: 'locked' })
    const { status, stderr } = await runFull('knock', 'home', '--otp', '123456', '--json')
    expect({ status, stderr }).toEqual({ status: 4, stderr: NOT_WRITTEN })
  })

  it('is never the status of the command that exec runs', async () => {
    expect(await runFull('exec', '--help')).toEqual({ status: 125, stderr: NOT_WRITTEN })
  })
})

describe('an answer that nobody reads', () => {
  it('is nothing to speak of: a pipe into head', async () => {
    await home.run(['add'], invitation())
    const child = spawn(process.execPath, [BIN, 'list'], { env: home.env, detached: true })
    child.stdout.destroy()
    expect(await ended(child)).toEqual({ status: 0, stderr: '' })
  })

  it('ends a watch, which would go on for nobody', async () => {
    server = await serveTarget(home)
    const code = ['--otp-command', 'echo 123456']
    const args = ['knock', 'home', '--watch', '--json', '--close', ...code]
    const child = spawn(process.execPath, [BIN, ...args], { env: home.env, detached: true })
    child.stdout.destroy()
    expect(await ended(child)).toEqual({ status: 0, stderr: '' })
    expect(server.received.map(({ knock }) => knock.verb)).toEqual(['open', 'close'])
  })
})

describe('what a proxy cannot pass on', () => {
  it('is said', async () => {
    const house = await House.build('refuses', echo)
    await house.invite(home, 'home')
    await house.open()
    writeFileSync(`${home.path}/hello`, 'hello')
    const full = openSync('/dev/full', 'w')
    const hello = openSync(`${home.path}/hello`, 'r')
    const child = spawn(process.execPath, [BIN, 'proxy', 'home', '127.0.0.1', `${house.port}`], {
      env: home.env,
      detached: true,
      stdio: [hello, full, 'pipe'],
    })
    closeSync(full)
    closeSync(hello)
    const { status, stderr } = await ended(child)
    expect(stderr).toMatch(/^oneknock: the connection to .* broke \(output: ENOSPC\)\n$/)
    expect(status).toBe(3)
    await house.demolish()
  })
})
