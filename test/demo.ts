/**
 * `npm run demo`: one packet opens one door, on this machine alone, without root. Every line below
 * is said after it was seen; the exit status is 0 only if all of it was.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PACKET_BYTES, parseTotpSecret, totpCode, totpStep } from '@oneknock/shared'

const LIFETIME_S = 3
const GREETING = 'hello from behind the door\n'
/** How long the demo listens before it calls something silence. */
const SILENCE_MS = 1000
/** The longest that any step may take. */
const STEP_MS = 10_000

const bin = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const CLIENT = bin('client/dist/bin/oneknock.js')
const DAEMON = bin('server/dist/main.js')

const folder = mkdtempSync(join(tmpdir(), 'oneknock-demo-'))
const configFile = join(folder, 'oneknockd.toml')
const environment = {
  ...process.env,
  XDG_CONFIG_HOME: join(folder, 'client'),
  XDG_STATE_HOME: join(folder, 'client', 'state'),
  XDG_CACHE_HOME: join(folder, 'client', 'cache'),
  XDG_RUNTIME_DIR: '',
  NO_COLOR: '1',
}
const started: { children: ChildProcess[]; servers: (Server | Socket)[] } = {
  children: [],
  servers: [],
}

async function demo(): Promise<void> {
  const ports = await freePorts()
  step('A service, and a daemon whose gate stands before it.')
  const service = createServer(socket => socket.end(GREETING))
  await listen(service, ports.service)
  const made = await run(DAEMON, ['init', '--dir', folder, '--backend', 'gate'])
  expect(made.status === 0, `no configuration was made: ${made.stderr}`)
  writeFileSync(configFile, configuration(ports))
  const enrolled = await run(DAEMON, ['user', 'add', 'alice', '--services', 'web', '--json'])
  expect(enrolled.status === 0, `alice could not be enrolled: ${enrolled.stderr}`)
  const { invitation, otpauth } = JSON.parse(enrolled.stdout)
  await startDaemon()
  const wire = await recordPackets(ports.relay, ports.daemon)
  say(`   The service listens on 127.0.0.1:${ports.service}, the gate on :${ports.gate}.`)
  say('   Alice has an invitation for her laptop and a secret in her phone.')

  step('Alice takes up the invitation.')
  const added = await run(CLIENT, ['add', '--name', 'demo'], invitation)
  expect(added.status === 0, `the invitation was not taken: ${added.stderr}`)
  say('   $ oneknock add --name demo')

  step('Nobody has knocked yet.')
  expect((await visit(ports.gate)) === '', 'a stranger got through')
  say('   A connection to the gate is hung up on without a word.')

  step('Alice knocks: one packet of 256 bytes, with the code from her phone.')
  const secret = parseTotpSecret(new URL(otpauth).searchParams.get('secret')!)!
  const code = totpCode(secret, totpStep(Date.now()))
  const knocked = await run(CLIENT, ['knock', 'demo', 'web', '--otp', code])
  expect(knocked.status === 0, `the knock was not accepted: ${knocked.stdout}${knocked.stderr}`)
  say(`   $ oneknock knock demo web --otp ${code}`)
  quote(knocked.stdout)
  const openedAt = performance.now()

  step('Now the same connection gets through.')
  expect((await visit(ports.gate)) === GREETING, 'the door did not open')
  say(`   The service says: ${GREETING.trim()}`)

  step(`The time is up after ${LIFETIME_S} seconds.`)
  await until(async () => (await visit(ports.gate)) === '', 'the door did not close')
  say(`   Closed again ${((performance.now() - openedAt) / 1000).toFixed(1)} s later.`)

  step('Someone who recorded the packet sends the very same bytes again.')
  const recorded = wire.packets[0]
  expect(recorded?.length === PACKET_BYTES, 'no packet was recorded')
  expect(await isSilent(recorded!, ports.daemon), 'the replay was answered')
  expect((await visit(ports.gate)) === '', 'the replay opened the door')
  say('   No answer, and the door stays shut: they cannot even tell that someone is there.')

  step('Alice mistypes her code.')
  const wrong = code === '000000' ? '000001' : '000000'
  const refused = await run(CLIENT, ['knock', 'demo', 'web', '--otp', wrong])
  expect(refused.status === 4, `a wrong code ended with status ${refused.status}`)
  say(`   $ oneknock knock demo web --otp ${wrong}`)
  quote(refused.stderr)
  say('   She has the key, so she is told why; a stranger would have heard nothing.')
}

const configuration = (ports: Ports): string => `
listen = ["127.0.0.1:${ports.daemon}"]
public = "127.0.0.1:${ports.relay}"
state = "state"

[firewall]
backend = "gate"

[services.web]
lifetime = "${LIFETIME_S}s"
gate = { listen = "127.0.0.1:${ports.gate}", forward = "127.0.0.1:${ports.service}" }
`

interface Ports {
  readonly daemon: number
  readonly relay: number
  readonly gate: number
  readonly service: number
}

/** Asks the kernel for ports that nobody uses, all at once so that they differ. */
async function freePorts(): Promise<Ports> {
  const servers = Array.from({ length: 4 }, () => createServer())
  await Promise.all(servers.map(server => listen(server, 0, false)))
  const [daemon, relay, gate, service] = servers.map(
    server => (server.address() as { port: number }).port,
  ) as [number, number, number, number]
  await Promise.all(servers.map(server => new Promise(done => server.close(done))))
  return { daemon, relay, gate, service }
}

async function startDaemon(): Promise<void> {
  const child = spawn(process.execPath, [DAEMON, 'run', '--config', configFile])
  started.children.push(child)
  let output = ''
  const collect = (chunk: Buffer) => {
    output += chunk
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const isReady = () => {
    expect(child.exitCode === null, `the daemon ended: ${output}`)
    return /"msg":"ready"/.test(output)
  }
  await until(async () => isReady(), 'the daemon did not become ready')
}

/** Stands between client and daemon and keeps what passes, as anyone on the way could. */
async function recordPackets(port: number, to: number): Promise<{ packets: Buffer[] }> {
  const packets: Buffer[] = []
  const front = createSocket('udp4')
  started.servers.push(front)
  front.on('message', (packet, from) => {
    packets.push(packet)
    const back = createSocket('udp4')
    started.servers.push(back)
    back.on('message', reply => front.send(reply, from.port, from.address))
    back.send(packet, to, '127.0.0.1')
  })
  await new Promise<void>(resolve => front.bind(port, '127.0.0.1', resolve))
  return { packets }
}

async function isSilent(datagram: Buffer, port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  let answered = false
  socket.on('message', () => {
    answered = true
  })
  socket.send(datagram, port, '127.0.0.1')
  await pause(SILENCE_MS)
  socket.close()
  return !answered
}

/** What a connection to this port reads until it ends. */
function visit(port: number): Promise<string> {
  return new Promise(resolve => {
    let text = ''
    const socket = connect(port, '127.0.0.1')
    socket.setTimeout(STEP_MS, () => socket.destroy())
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
}

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function run(program: string, args: readonly string[], input = ''): Promise<Ended> {
  const config = program === DAEMON && args[0] !== 'init' ? ['--config', configFile] : []
  const child = spawn(process.execPath, [program, ...args, ...config], { env: environment })
  started.children.push(child)
  const timer = setTimeout(() => child.kill(), STEP_MS)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  child.stdin.end(input)
  return new Promise(resolve => {
    child.on('close', status => {
      clearTimeout(timer)
      resolve({ status, stdout, stderr })
    })
  })
}

function listen(server: Server, port: number, keep = true): Promise<void> {
  if (keep) started.servers.push(server)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
}

async function until(holds: () => Promise<boolean>, otherwise: string): Promise<void> {
  const deadline = performance.now() + STEP_MS
  while (!(await holds())) {
    expect(performance.now() < deadline, otherwise)
    await pause(50)
  }
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

let steps = 0
function step(title: string): void {
  steps++
  say(`\n${steps}. ${title}`)
}

function quote(output: string): void {
  for (const line of output.trimEnd().split('\n')) say(`   | ${line}`)
}

try {
  await demo()
  say('\nThat was all of it, and all of it was seen to happen.')
} catch (error) {
  say(`\nThe demo stopped: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  for (const child of started.children) child.kill()
  for (const server of started.servers) server.close()
  rmSync(folder, { recursive: true })
}
