import { existsSync } from 'node:fs'
import { readFile, statfs } from 'node:fs/promises'
import { type Finding, finding, fine } from './finding.ts'
import { ask } from './programs.ts'

/** A million knocks; and what is left when the ledger is about to refuse. */
const DISK_AMPLE = 256 * 1024 * 1024
const DISK_LEAST = 1024 * 1024
const MIB = 1024 * 1024

/** Codes and packets are good for a minute or two: a clock that nobody sets locks everybody out. */
export async function clock(): Promise<Finding> {
  const set = 'set it by NTP: timedatectl set-ntp true, or install chrony'
  const shown = await ask('timedatectl', 'show', '--property=NTPSynchronized', '--value')
  if (shown?.trim() === 'yes') return fine('clock', 'is kept by NTP')
  if (shown?.trim() === 'no') return finding('clock', 'warning', 'is not kept by NTP', set)
  if (existsSync('/run/systemd/timesync/synchronized')) return fine('clock', 'is kept by NTP')
  const tracking = await ask('chronyc', '-n', 'tracking')
  if (tracking && /Leap status\s*: Normal/.test(tracking)) return fine('clock', 'is kept by chrony')
  const compare = `is it ${new Date().toISOString().slice(0, 16)}Z now? if not, ${set}`
  return finding('clock', 'unknown', 'nobody here says whether it is kept', compare)
}

/** A clock behind the ledger was set back: codes that count as used are those of the future. */
export function ledgerClock(lastAt: number | undefined, now: number, freshness: number): Finding[] {
  if (lastAt === undefined || lastAt <= now + freshness) return []
  const found = `it is ${new Date(now).toISOString()}, but the ledger has been to ${new Date(lastAt).toISOString()}`
  return [finding('clock', 'problem', found, 'set the clock right before anybody knocks')]
}

export async function receiveBuffer(wanted: number): Promise<Finding> {
  const cap = Number(await readFile('/proc/sys/net/core/rmem_max', 'utf8').catch(() => 'NaN'))
  if (Number.isNaN(cap)) {
    return finding('receive buffer', 'unknown', 'the kernel does not tell its cap', 'nothing')
  }
  if (cap >= wanted) return fine('receive buffer', `${wanted / MIB} MiB may be had`)
  const found = `the kernel allows ${(cap / MIB).toFixed(1)} MiB of ${wanted / MIB}: bursts lose packets`
  const remedy = `sysctl -w net.core.rmem_max=${wanted}, and install systemd/sysctl.d/60-oneknock.conf`
  return finding('receive buffer', 'warning', found, remedy)
}

/** Without room for a line nothing opens. */
export async function disk(folder: string): Promise<Finding> {
  try {
    const { bavail, bsize } = await statfs(folder)
    const free = bavail * bsize
    const found = `${Math.round(free / MIB)} MiB free for ${folder}`
    if (free >= DISK_AMPLE) return fine('disk', found)
    const remedy = 'make room: without it knocks are refused, and nothing opens'
    return finding('disk', free < DISK_LEAST ? 'problem' : 'warning', found, remedy)
  } catch (error) {
    const found = `${folder} cannot be looked at (${(error as Error).message})`
    return finding('disk', 'unknown', found, 'run as root, or start the daemon once')
  }
}
