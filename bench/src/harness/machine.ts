import { spawnSync } from 'node:child_process'
import { readFileSync, statfsSync } from 'node:fs'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { scratchRoot } from './scratch.ts'

/** Where the figures hold. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGB: number
  readonly system: string
  readonly node: string
  /** Where ledgers were written. */
  readonly filesystem: string
  /** Before the first run: whether someone else was at work. */
  readonly load: number
  /** The largest receive buffer that a socket gets, bytes. */
  readonly receiveBuffer: number | undefined
}

export function describeMachine(): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.version,
    filesystem: filesystemOf(scratchRoot()),
    load: Number(loadavg()[0]!.toFixed(2)),
    receiveBuffer: numberIn('/proc/sys/net/core/rmem_max'),
  }
}

export const hasProgram = (name: string): boolean =>
  spawnSync('sh', ['-c', 'command -v "$0"', name], { stdio: 'ignore' }).status === 0

export const isRoot = (): boolean => process.getuid?.() === 0

const FILESYSTEMS: Readonly<Record<number, string>> = {
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  2035054128: 'overlay',
  16914836: 'tmpfs',
}

function filesystemOf(folder: string): string {
  const { type } = statfsSync(folder)
  return FILESYSTEMS[type] ?? `type 0x${type.toString(16)}`
}

function numberIn(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
