import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { askDaemon, controlPath } from '../../server/src/control.ts'
import { buildDaemon, Daemon, HERE } from '../e2e/daemon.ts'
import { isRoot, lacking } from './commands/cli.ts'
import { until } from './kit.ts'
import { freeUdpPort, Knocker } from './knocker.ts'

/** Starts and stops of the real daemon, and what must not go wrong with them. */

let program: Awaited<ReturnType<typeof buildDaemon>>
let port: number
let gate: number
let service: Server
const daemons: Daemon[] = []
const knockers: Knocker[] = []

beforeAll(async () => {
  program = await buildDaemon()
}, 60_000)
afterAll(() => program?.remove())

beforeEach(async () => {
  port = await freeUdpPort()
  gate = await freeTcpPort()
  service = createServer(socket => socket.end('hello'))
  await new Promise<void>(resolve => service.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  for (const knocker of knockers.splice(0)) knocker.close()
  for (const daemon of daemons.splice(0)) await daemon.remove()
  await new Promise(resolve => service.close(resolve))
})

function freeTcpPort(): Promise<number> {
  const probe = createServer()
  return new Promise(resolve => {
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}

function daemonOf(changes: { port?: number; state?: string; exec?: string } = {}): Daemon {
  const { port: backend } = service.address() as { port: number }
  const daemon = new Daemon(
    HERE,
    program.path,
    folder => `
listen = ["127.0.0.1:${changes.port ?? port}"]
public = "127.0.0.1:${changes.port ?? port}"
state = "${changes.state ?? `${folder}/state`}"
[services.web]
factor = "none"
lifetime = "10m"
gate = { listen = "127.0.0.1:${gate}", forward = "127.0.0.1:${backend}" }
${changes.exec ?? ''}
`,
  )
  daemons.push(daemon)
  return daemon
}

const stateOf = (daemon: Daemon) => join(daemon.folder, 'state')
const ask = (daemon: Daemon, command: string) => askDaemon(stateOf(daemon), { command })
/** Runs it where it is expected to end by itself. */
const attempt = (daemon: Daemon) => daemon.command('run')

async function enrolled(daemon: Daemon, services = 'web'): Promise<Knocker> {
  const knocker = new Knocker((await daemon.enrol('alice', services)).invitation)
  knockers.push(knocker)
  return knocker
}

/** What a connection to the gate brings: the service's word, or nothing. */
const through = () =>
  new Promise<string>(resolve => {
    let text = ''
    const socket = connect(gate, '127.0.0.1')
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })

/** Names, sizes and contents of all below a folder. */
function contents(folder: string): Record<string, string> {
  const all: Record<string, string> = {}
  for (const name of readdirSync(folder, { recursive: true }) as string[]) {
    const path = join(folder, name)
    if (statSync(path).isFile()) all[name] = readFileSync(path, 'latin1')
  }
  return all
}

const oneLine = (pattern: RegExp) =>
  expect.stringMatching(new RegExp(`^oneknockd: .*${pattern.source}.*\n$`))

describe('a daemon that is told to stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s ends well, and its grants outlive it',
    async signal => {
      const daemon = daemonOf()
      const knocker = await enrolled(daemon)
      await daemon.start()
      expect(await through()).toBe('')
      expect(await knocker.ask()).toMatchObject({ status: 'opened' })
      expect(await through()).toBe('hello')
      expect(await daemon.end(signal)).toBe(0)
      expect(existsSync(controlPath(stateOf(daemon)))).toBe(false)
      expect(daemon.output.join('')).not.toMatch(/"level":[56]0/)
      const lines = Object.values(contents(join(stateOf(daemon), 'ledger'))).join('')
      expect(lines.trim().split('\n').at(-1)).toContain('"what":"stopped"')

      await daemon.start()
      expect(await ask(daemon, 'status')).toMatchObject({ grants: 1 })
      expect(await through()).toBe('hello')
      expect(await knocker.ask({ verb: 'close' })).toMatchObject({
        status: 'closed',
        detail: 'web',
      })
      expect(await through()).toBe('')
    },
  )

  it('ends well while a knock is under way, and the next one finishes it', async () => {
    const exec = '[services.slow]\nfactor = "none"\nexec = { open = ["/bin/sleep", "1"] }'
    const daemon = daemonOf({ exec })
    const knocker = await enrolled(daemon, 'web,slow')
    await daemon.start()
    const knock = { services: ['slow'], knockId: '00000000000000aa', lifetime: 600 }
    await knocker.send(knocker.seal(knock))
    await until(
      () => ask(daemon, 'status'),
      status => (status as { grants: number }).grants === 1,
    )
    expect(await daemon.end('SIGTERM')).toBe(0)
    expect(knocker.replies).toBe(0)
    expect(daemon.output.join('')).not.toContain('unhandled')
    await daemon.start()
    expect(await knocker.ask(knock)).toMatchObject({ status: 'opened', detail: 'slow' })
  })

  it('that was killed instead leaves everything for the next one', async () => {
    const daemon = daemonOf()
    const knocker = await enrolled(daemon)
    await daemon.start()
    const knock = { knockId: '00000000000000ab' }
    const replay = knocker.seal(knock)
    await knocker.send(replay)
    await until(
      () => knocker.answerTo(replay),
      reply => reply?.status === 'opened',
    )
    await daemon.end('SIGKILL')
    expect(existsSync(controlPath(stateOf(daemon)))).toBe(true)
    await daemon.start()
    expect(await through()).toBe('hello')
    await knocker.send(replay)
    expect(await knocker.ask(knock)).toMatchObject({ status: 'opened' })
    const { packets } = (await ask(daemon, 'status')) as { packets: Record<string, number> }
    expect(packets).toMatchObject({ replay: 1, again: 1, opened: 0 })
  })
})

describe('a second daemon', () => {
  it('on the same port ends with one line; the first goes on', async () => {
    const first = daemonOf()
    const knocker = await enrolled(first)
    await first.start()
    gate = await freeTcpPort()
    const second = daemonOf()
    expect(await attempt(second)).toMatchObject({
      status: 1,
      stderr: oneLine(/udp 127\.0\.0\.1:\d+ is in use/),
    })
    expect(existsSync(controlPath(stateOf(second)))).toBe(false)
    expect(await knocker.ask()).toMatchObject({ status: 'opened' })
  })

  it('on the same state folder ends with one line; nothing of the first is touched', async () => {
    const first = daemonOf()
    const knocker = await enrolled(first)
    await first.start()
    await knocker.ask()
    const before = contents(stateOf(first))
    const second = daemonOf({ port: await freeUdpPort(), state: stateOf(first) })
    expect(await attempt(second)).toMatchObject({
      status: 1,
      stderr: oneLine(/another daemon runs on .*state/),
    })
    expect(contents(stateOf(first))).toEqual(before)
    expect(await knocker.ask({ verb: 'close' })).toMatchObject({ status: 'closed' })
  })

  it('of two that start at once on one folder left by a killed one, one runs', async () => {
    const first = daemonOf()
    await first.start()
    await first.end('SIGKILL')
    const others = await Promise.all(
      [1, 2].map(async () => daemonOf({ port: await freeUdpPort(), state: stateOf(first) })),
    )
    const started = await Promise.all(
      others.map(one =>
        one.start().then(
          () => 'runs',
          error => `${error}`,
        ),
      ),
    )
    const [other] = started.filter(one => one !== 'runs')
    expect(started).toContain('runs')
    expect(other).toMatch(/another daemon runs on .*state/)
    expect(await ask(first, 'status')).toMatchObject({ grants: 0 })
  })
})

describe('a daemon that cannot start', () => {
  it('says that its ledger is damaged, and where, and changes nothing', async () => {
    const daemon = daemonOf()
    const knocker = await enrolled(daemon)
    await daemon.start()
    for (let i = 0; i < 4; i++) await knocker.ask({ verb: 'close' })
    await daemon.end('SIGTERM')
    const folder = join(stateOf(daemon), 'ledger')
    const file = join(folder, readdirSync(folder).sort().at(-1)!)
    const lines = readFileSync(file, 'utf8').split('\n')
    lines[2] = lines[2]!.replace('"closed"', '"opened"')
    writeFileSync(file, lines.join('\n'))
    const before = contents(stateOf(daemon))
    expect(await attempt(daemon)).toMatchObject({
      status: 1,
      stderr: oneLine(/ledger.*line 3.*repair/),
    })
    expect(contents(stateOf(daemon))).toEqual(before)
  })

  it.each([
    [
      'others can write its configuration',
      (daemon: Daemon) => chmodSync(daemon.configFile, 0o666),
      /others can write it.*chmod/,
    ],
    [
      'others can read a user',
      (daemon: Daemon) => chmodSync(join(daemon.folder, 'users/alice.toml'), 0o644),
      /alice\.toml.*chmod/,
    ],
    [
      'its configuration is empty',
      (daemon: Daemon) => writeFileSync(daemon.configFile, ''),
      /oneknockd\.toml/,
    ],
    [
      'it has no configuration',
      (daemon: Daemon) => rmSync(daemon.configFile),
      /oneknockd\.toml.*does not exist/,
    ],
  ])('says so if %s, and leaves the state alone', async (_, spoil, pattern) => {
    const daemon = daemonOf()
    await daemon.enrol('alice', 'web')
    spoil(daemon)
    const { status, stderr, stdout } = await attempt(daemon)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    for (const line of stderr.trim().split('\n')) expect(line).toMatch(/^oneknockd: /)
    expect(stderr).toMatch(pattern)
    expect(contents(stateOf(daemon))).toEqual({})
  })

  it('says that it cannot make its state folder', async () => {
    const daemon = daemonOf({ state: `${program.path}/state` })
    expect(await attempt(daemon)).toMatchObject({
      status: 1,
      stderr: oneLine(/cannot make the state folder .*ENOTDIR/),
    })
  })

  it('says that its state folder is too deep for the control socket', async () => {
    const deep = daemonOf()
    const state = join(deep.folder, 'x'.repeat(60), 'y'.repeat(60))
    mkdirSync(state, { recursive: true, mode: 0o700 })
    writeFileSync(
      deep.configFile,
      readFileSync(deep.configFile, 'utf8').replace(/^state = .*$/m, `state = "${state}"`),
    )
    expect(await attempt(deep)).toMatchObject({
      status: 1,
      stderr: oneLine(/choose a shorter/),
    })
    expect(contents(state)).toEqual({})
  })

  it.skipIf(lacking(isRoot))(
    'says that it may not write there (needs root, to be nobody)',
    async () => {
      const daemon = daemonOf()
      const NOBODY = 65_534
      for (const path of [daemon.folder, daemon.configFile, join(daemon.folder, 'users')]) {
        chownSync(path, NOBODY, NOBODY)
      }
      chmodSync(stateOf(daemon), 0o755)
      const as = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--']
      const command = [...as, process.execPath, program.path, 'run', '--config', daemon.configFile]
      expect(await HERE.tryRun(command)).toMatchObject({
        status: 1,
        stderr: oneLine(/cannot listen on .*state.*EACCES/),
      })
      expect(contents(stateOf(daemon))).toEqual({})
    },
  )

  it('says that the gate has no port, and holds on to none of its own', async () => {
    const daemon = daemonOf()
    const squatter = createServer()
    await new Promise<void>(resolve => squatter.listen(gate, '127.0.0.1', resolve))
    expect(await attempt(daemon)).toMatchObject({
      status: 1,
      stderr: oneLine(/another program has the port/),
    })
    await new Promise(resolve => squatter.close(resolve))
    await daemon.start()
  })
})

describe('a daemon whose log cannot be written', () => {
  it.each([
    ['since its reader has left', '| head -n 1 > /dev/null'],
    ['since the disk is full', '> /dev/full'],
  ])('%s goes on', async (_, to) => {
    const daemon = daemonOf()
    const knocker = await enrolled(daemon)
    const command = `"${process.execPath}" "${program.path}" run --config "${daemon.configFile}" ${to}`
    const shell = HERE.spawn(['sh', '-c', command], { stdio: 'ignore' })
    const status = () => ask(daemon, 'status').catch(() => undefined) as Promise<{ pid: number }>
    const { pid } = await until(status, one => one !== undefined, 15_000)
    try {
      for (let i = 0; i < 5; i++) {
        expect(await knocker.ask({ verb: 'close' })).toMatchObject({ status: 'closed' })
      }
    } finally {
      process.kill(pid, 'SIGTERM')
      await new Promise(resolve => shell.once('exit', resolve))
    }
  })
})
