import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { until } from './server/kit.ts'

/*
 * What people get: the three packages as `npm pack` makes them, installed into an empty folder, and
 * used from there. Nothing of the checkout is in the way. npm takes what it has in its cache.
 */

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PACKAGES = ['oneknock', 'oneknockd', '@oneknock/shared']
const INSTALL_MS = 120_000

let folder: string
let installed: string
/** Without what npm tells the scripts that it runs. */
const env: Record<string, string> = {}
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'oneknock-pack-'))
  installed = join(folder, 'installed')
  const archives = join(folder, 'archives')
  for (const path of [installed, archives]) mkdirSync(path)
  Object.assign(env, {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    XDG_CONFIG_HOME: folder,
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_CACHE_HOME: join(folder, 'cache'),
  })
  const workspaces = PACKAGES.flatMap(name => ['-w', name])
  await run('npm', ['pack', '--silent', ...workspaces, '--pack-destination', archives], ROOT)
  writeFileSync(join(installed, 'package.json'), '{ "private": true, "type": "module" }')
  const files = readdirSync(archives).map(name => join(archives, name))
  expect(files).toHaveLength(PACKAGES.length)
  const quietly = ['--prefer-offline', '--no-audit', '--no-fund', '--silent']
  await run('npm', ['install', ...quietly, ...files], installed)
}, INSTALL_MS)
afterAll(() => rmSync(folder, { recursive: true }))

const bin = (name: string) => join(installed, 'node_modules', '.bin', name)
const packageFolder = (name: string) => join(installed, 'node_modules', name)

function run(
  program: string,
  args: readonly string[],
  cwd = installed,
  input = '',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { cwd, env }, (error, stdout, stderr) =>
      error
        ? reject(new Error(`${program} ${args.join(' ')}: ${stderr || error}`))
        : resolve(stdout),
    )
    child.stdin!.end(input)
  })
}

describe('the packages', () => {
  it.each(PACKAGES)(
    '%s is a folder of its own, without sources, tests or places of this machine',
    name => {
      expect(lstatSync(packageFolder(name)).isSymbolicLink()).toBe(false)
      const files = readdirSync(packageFolder(name), { recursive: true, encoding: 'utf8' })
        .filter(path => !path.includes('node_modules'))
        .map(path => join(packageFolder(name), path))
        .filter(path => lstatSync(path).isFile())
      expect(files.length).toBeGreaterThan(5)
      expect(files.filter(path => /\.tsbuildinfo$|\.test\.|(?<!\.d)\.tsx?$/.test(path))).toEqual([])
      for (const path of files) expect(readFileSync(path, 'latin1')).not.toContain(ROOT)
    },
  )

  it('are of one version, and say so', async () => {
    const versions = PACKAGES.map(
      name => JSON.parse(readFileSync(join(packageFolder(name), 'package.json'), 'utf8')).version,
    )
    expect(new Set(versions).size).toBe(1)
    for (const name of ['oneknock', 'oneknockd']) {
      expect((await run(bin(name), ['--version'])).trim()).toBe(versions[0])
    }
  })

  it('bring the completions and the licences of what is bundled', async () => {
    expect(await run(bin('oneknock'), ['completion', 'bash'])).toContain('complete -F _oneknock')
    const licences = readFileSync(join(packageFolder('oneknock'), 'dist/bin/LICENSES.txt'), 'utf8')
    for (const name of ['commander', '@noble/ciphers', '@noble/hashes']) {
      expect(licences).toContain(name)
    }
  })
})

it('have npm put the manual where man looks for it, as the README has them installed', async () => {
  const prefix = join(folder, 'global')
  const quietly = ['--prefer-offline', '--no-audit', '--no-fund', '--silent']
  await run('npm', ['install', '--global', '--prefix', prefix, ...quietly, join(ROOT, 'client')])
  const manual = readFileSync(join(prefix, 'share/man/man1/oneknock.1'), 'utf8')
  expect(manual).toContain('.TH ONEKNOCK 1')
})

describe('from the packages', () => {
  let daemon: ChildProcess | undefined
  let service: Server
  let ports: { udp: number; gate: number }
  const config = () => ['--config', join(folder, 'daemon', 'oneknockd.toml')]

  beforeEach(async () => {
    service = createServer(socket => socket.end('welcome')).listen(0, '127.0.0.1')
    await once(service, 'listening')
    const spare = [0, 0].map(() => createServer().listen(0, '127.0.0.1'))
    await Promise.all(spare.map(server => once(server, 'listening')))
    const [udp, gate] = spare.map(server => (server.address() as AddressInfo).port)
    ports = { udp: udp!, gate: gate! }
    await Promise.all(spare.map(server => new Promise(done => server.close(done))))
    rmSync(join(folder, 'daemon'), { recursive: true, force: true })
    await run(bin('oneknockd'), ['init', '--dir', join(folder, 'daemon'), '--backend', 'gate'])
    writeFileSync(
      config()[1]!,
      `listen = ["127.0.0.1:${ports.udp}"]
public = "127.0.0.1:${ports.udp}"
state = "state"
[firewall]
backend = "gate"
[services.web]
gate = { listen = "127.0.0.1:${ports.gate}", forward = "127.0.0.1:${(service.address() as AddressInfo).port}" }
`,
    )
  })
  afterEach(async () => {
    service?.close()
    if (daemon?.exitCode === null) {
      daemon.kill()
      await once(daemon, 'exit')
    }
    daemon = undefined
    rmSync(join(folder, 'oneknock'), { recursive: true, force: true })
  })

  it('a daemon runs, a device is enrolled, and a machine knocks and connects through the door', async () => {
    const added = ['user', 'add', 'robot', '--services', 'web', '--json', ...config()]
    const { invitation, otpauth } = JSON.parse(await run(bin('oneknockd'), added))
    daemon = spawn(bin('oneknockd'), ['run', ...config()], { env })
    let said = ''
    for (const stream of [daemon.stdout!, daemon.stderr!]) {
      stream.on('data', chunk => {
        said += chunk
      })
    }
    await until(
      () => said,
      text => text.includes('"msg":"ready"'),
      20_000,
    )
    const secrets = `${invitation}\n${otpauth}\n`
    await run(bin('oneknock'), ['add', '--name', 'home', '--totp-secret'], installed, secrets)
    const place = ['127.0.0.1', String(ports.gate)]
    expect(await run(bin('oneknock'), ['proxy', 'home', ...place])).toBe('welcome')
    const shown = await run(bin('oneknock'), ['knock', 'home', '--if-needed', '--json'])
    expect(JSON.parse(shown)).toMatchObject({ target: 'home', status: 'open' })
    await run(bin('oneknock'), ['lock', 'home'], installed, 'correct horse battery')
    expect(await run(bin('oneknock'), ['show', 'home'])).toMatch(/^key +sealed$/m)
  }, 60_000)

  it('a program knocks with the library', async () => {
    const program = `
      import { knock, parseFactor } from 'oneknock'
      const factor = parseFactor('123 456')
      const target = { host: '127.0.0.1', port: ${ports.udp}, key: new Uint8Array(32) }
      const result = await knock(target, { factor: factor.value, signal: AbortSignal.timeout(100) })
      console.log(result.status)`
    writeFileSync(join(installed, 'program.js'), program)
    expect(await run(process.execPath, ['program.js'])).toBe('aborted\n')
  })
})
