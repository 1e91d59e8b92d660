import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Shot } from '../knocking/shot.ts'
import { pinned } from './cores.ts'
import { socketState } from './kernel.ts'
import { hasProgram } from './machine.ts'
import { lacksNetns, type Network } from './netns.ts'

/** The peer that oneknock is measured beside, as Debian packages it, with its UDP server. */
export interface Fwknopd {
  readonly pid: number
  readonly port: number
  /** A packet of fwknop's own client that opens this UDP port for this address. */
  shot(source: string, udpPort: number): Shot
  stop(): Promise<void>
}

export const lacksFwknop = (): string | undefined =>
  lacksNetns() ??
  ['fwknopd', 'fwknop', 'iptables'].flatMap(name => (hasProgram(name) ? [] : `no ${name}`))[0]

const PORT = 62201
const READY_MS = 10_000

interface Stanza {
  readonly key: string
  readonly hmac: string
}

export async function startFwknopd(
  folder: string,
  network: Network,
  stanzas: number,
): Promise<Fwknopd> {
  mkdirSync(join(folder, 'run'), { recursive: true })
  const access = Array.from(
    { length: stanzas },
    (): Stanza => ({
      key: randomBytes(32).toString('base64'),
      hmac: randomBytes(64).toString('base64'),
    }),
  )
  const file = writeFiles(folder, access)
  const [command, ...rest] = [
    ...network.server,
    ...pinned('receiver'),
    ...['fwknopd', '-f', '-c', file.configuration, '-a', file.access],
  ]
  // It says a line or more for each packet: to nobody, which is when it is fastest.
  const child = spawn(command!, rest, { stdio: 'ignore' })
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  const deadline = performance.now() + READY_MS
  while (!socketState(PORT, network.server)) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop()
      throw new Error(`fwknopd does not start; try: ${rest.join(' ')}`)
    }
    await pause(20)
  }
  return {
    pid: child.pid!,
    port: PORT,
    shot: (source, udpPort) => makeShot(folder, access[0]!, source, udpPort),
    stop,
  }
}

function writeFiles(folder: string, access: readonly Stanza[]) {
  const write = (name: string, text: string) => {
    const file = join(folder, name)
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }
  const runFolder = join(folder, 'run')
  return {
    configuration: write(
      'fwknopd.conf',
      [
        'ENABLE_UDP_SERVER Y;',
        `UDPSERV_PORT ${PORT};`,
        `FWKNOP_RUN_DIR ${runFolder};`,
        `FWKNOP_PID_FILE ${join(runFolder, 'pid')};`,
        '',
      ].join('\n'),
    ),
    access: write(
      'access.conf',
      access
        .map(({ key, hmac }) => `SOURCE ANY\nKEY_BASE64 ${key}\nHMAC_KEY_BASE64 ${hmac}\n`)
        .join('\n'),
    ),
  }
}

/** Its client writes the packet to a file instead of sending it: whoever measures sends it. */
function makeShot(folder: string, { key, hmac }: Stanza, source: string, udpPort: number): Shot {
  const rc = join(folder, 'rc')
  const packet = join(folder, 'packet')
  const stanza = [
    '[shot]',
    'SPA_SERVER 127.0.0.1',
    `KEY_BASE64 ${key}`,
    `HMAC_KEY_BASE64 ${hmac}`,
    'USE_HMAC Y',
    `ACCESS udp/${udpPort}`,
    `ALLOW_IP ${source}`,
    '',
  ].join('\n')
  writeFileSync(rc, stanza, { mode: 0o600 })
  const quiet = ['--no-home-dir', '-E', join(folder, 'arguments')]
  execFileSync(
    'fwknop',
    ['--rc-file', rc, '-n', 'shot', '--test', '--save-packet', packet, ...quiet],
    { stdio: 'ignore' },
  )
  return { source, datagram: Buffer.from(readFileSync(packet, 'latin1').trim(), 'latin1') }
}
