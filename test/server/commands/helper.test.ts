import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { parseNetwork } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../server/src/core/clock.ts'
import { ExecHook } from '../../../server/src/hooks/exec.ts'
import { converse } from '../../../server/src/socket.ts'
import { write } from '../config/scratch.ts'
import { service } from '../hooks/service.ts'
import { until } from '../kit.ts'
import { isRoot, lacking, MAIN, type Outcome, run } from './cli.ts'

/** Not in /tmp, where anybody may put things: the helper looks at every folder above its configuration. */
const PLACE = isRoot ? '/run' : (process.env.XDG_RUNTIME_DIR ?? userInfo().homedir)
const AS = isRoot ? 'nobody' : userInfo().username
const DAEMON = isRoot ? 12_345 : userInfo().uid

let folder: string
let helper: ChildProcess | undefined
const config = () => join(folder, 'oneknockd.toml')
const socket = () => join(folder, 'helper.sock')

beforeEach(() => {
  folder = mkdtempSync(join(PLACE, 'oneknock-helper-'))
  chmodSync(folder, 0o755)
  mkdirSync(join(folder, 'state'), { mode: 0o700 })
  mkdirSync(join(folder, 'out'))
  chmodSync(join(folder, 'out'), 0o777)
  if (isRoot) chownSync(join(folder, 'state'), DAEMON, DAEMON)
  write(config(), settings(), 0o644)
})
afterEach(async () => {
  if (helper?.exitCode === null) {
    helper.kill()
    await once(helper, 'exit')
  }
  rmSync(folder, { recursive: true })
})

const script = (text: string) => `["/bin/sh", "-c", ${JSON.stringify(text)}]`

const settings = (as = AS) => `public = "gate.example.com"
state = "state"
[helper]
socket = "${socket()}"
[services.backup.exec]
open = ${script(`id -un > ${folder}/out/who; id -G; grep -E "^(Cap|NoNew)" /proc/self/status > ${folder}/out/caps; env > ${folder}/out/env`)}
close = ${script('echo was closed; exit 3')}
as = "${as}"
[services.own.exec]
open = ["/bin/true"]
`

async function start(): Promise<string> {
  helper = spawn(process.execPath, [MAIN, '--config', config(), 'helper'])
  let output = ''
  const collect = (chunk: Buffer) => {
    output += chunk
  }
  helper.stdout!.on('data', collect)
  helper.stderr!.on('data', collect)
  await until(
    () => ({ output, ended: helper!.exitCode }),
    seen => seen.output.includes('"ready"') || seen.ended !== null,
    15_000,
  )
  return output
}

const opening = {
  service: 'backup',
  network: parseNetwork('203.0.113.7')!,
  until: Date.now() + 60_000,
}
const order = { event: 'open', service: 'backup', network: '203.0.113.7', until: opening.until }
const ask = (request: object) => converse(socket(), request, () => {}, 10_000)
const out = (name: string) => readFileSync(join(folder, 'out', name), 'utf8')

describe('oneknockd helper', () => {
  it('runs the command of a service as the account that the configuration names', async () => {
    await start()
    const exec = { open: ['/this/is/not/used'], close: ['/nor/this'], timeLimit: 5_000, as: AS }
    const said: string[] = []
    const hook = new ExecHook({
      services: [service('backup', { exec })],
      clock: systemClock,
      log: (_, line) => said.push(line),
      helperSocket: socket(),
    })
    await hook.start()
    await hook.open(opening)
    expect(out('who').trim()).toBe(AS)
    expect(out('env').split('\n')).toEqual(
      expect.arrayContaining(['ONEKNOCK_ADDRESS=203.0.113.7', 'ONEKNOCK_SERVICE=backup']),
    )
    if (isRoot) {
      expect(out('caps')).toMatch(/^CapInh:\s0+$/m)
      expect(out('caps')).toMatch(/^CapEff:\s0+$/m)
      expect(out('caps')).toMatch(/^CapBnd:\s0+$/m)
      expect(out('caps')).toMatch(/^NoNewPrivs:\s1$/m)
    }
    await expect(hook.close(opening)).rejects.toThrow(
      'the close command of service backup ended with status 3: was closed',
    )
    await hook.stop()
  })

  it.each([
    ['a command', { ...order, open: ['/bin/touch', 'pwned'] }, 'no order'],
    ['a service of the daemon', { ...order, service: 'own' }, 'no open command that runs as'],
    ['a service that is not there', { ...order, service: 'none' }, 'no open command that runs as'],
    ['an opening that is over', { ...order, until: 1 }, 'is over'],
  ])('runs nothing for %s', async (_, request, why) => {
    await start()
    await expect(ask(request)).rejects.toThrow(why)
    expect(existsSync(join(folder, 'out', 'who'))).toBe(false)
  })

  it('reads the configuration anew for each order, and trusts it only while others cannot write it', async () => {
    await start()
    write(
      config(),
      settings().replace(script('echo was closed; exit 3'), '["/bin/echo", "new"]'),
      0o644,
    )
    expect(await ask({ ...order, event: 'close' })).toMatchObject({ stdout: 'new' })
    chmodSync(config(), 0o666)
    await expect(ask(order)).rejects.toThrow('others can write it')
    chmodSync(config(), 0o644)
    chmodSync(folder, 0o777)
    await expect(ask(order)).rejects.toThrow('can be written by others than root')
  })

  it('is not there: the door does not open, and says what to start', async () => {
    const exec = { open: ['/bin/true'], close: [], timeLimit: 5_000, as: AS }
    const hook = new ExecHook({
      services: [service('backup', { exec })],
      clock: systemClock,
      log: () => {},
      helperSocket: socket(),
    })
    await hook.start()
    await expect(hook.open(opening)).rejects.toThrow('start oneknockd-helper.service')
    await hook.stop()
  })

  it('names an account that there is not', async () => {
    write(config(), settings('no-such-account'), 0o644)
    await start()
    await expect(ask(order)).rejects.toThrow('there is no account no-such-account')
  })
})

describe.skipIf(lacking(isRoot))('the helper’s socket', () => {
  const CONNECT = `require('net').connect(process.argv[1]).on('error', e => console.log(e.code)).on('connect', () => { console.log('in'); process.exit() })`
  const connecting = (uid: number): Promise<Outcome> =>
    run([
      'setpriv',
      `--reuid=${uid}`,
      `--regid=${uid}`,
      '--clear-groups',
      process.execPath,
      '-e',
      CONNECT,
      socket(),
    ])

  it('is for the owner of the state, and for nobody else', async () => {
    await start()
    expect(statSync(socket())).toMatchObject({ uid: DAEMON })
    expect((await connecting(DAEMON)).stdout).toBe('in\n')
    expect((await connecting(23_456)).stdout).toBe('EACCES\n')
  })

  it('is not served from a configuration that the daemon could have written', async () => {
    chownSync(config(), DAEMON, DAEMON)
    expect(await start()).toContain(`belongs to uid ${DAEMON}`)
    expect(existsSync(socket())).toBe(false)
  })
})
