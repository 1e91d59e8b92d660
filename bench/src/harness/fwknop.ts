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
  /** Packets of fwknop's own client that open this UDP port for these addresses, one for each. */
  shots(sources: readonly string[], udpPort: number): Shot[]
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
    shots: (sources, udpPort) => makeShots(folder, access[0]!, sources, udpPort),
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

/**
 * Its client writes each packet to a file instead of sending it: whoever measures sends it. It is started
 * by a shell, for which a process is less to start than for us.
 */
function makeShots(
  folder: string,
  { key, hmac }: Stanza,
  sources: readonly string[],
  udpPort: number,
): Shot[] {
  const rc = join(folder, 'rc')
  const packets = join(folder, 'packets')
  const stanza = [
    '[shot]',
    'SPA_SERVER 127.0.0.1',
    `KEY_BASE64 ${key}`,
    `HMAC_KEY_BASE64 ${hmac}`,
    'USE_HMAC Y',
    `ACCESS udp/${udpPort}`,
    '',
  ].join('\n')
  writeFileSync(rc, stanza, { mode: 0o600 })
  mkdirSync(packets, { recursive: true })
  const make = `for source; do fwknop --rc-file "$0" -n shot --allow-ip "$source" --test \
    --save-packet "$source" --no-home-dir -E ../arguments || exit; done`
  execFileSync('sh', ['-c', make, rc, ...sources], { cwd: packets, stdio: 'ignore' })
  return sources.map(source => ({
    source,
    datagram: Buffer.from(readFileSync(join(packets, source), 'latin1').trim(), 'latin1'),
  }))
}
