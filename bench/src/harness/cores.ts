import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { hasProgram } from './machine.ts'

/** Which part of a run has which processor: whoever receives has one to itself, who is alone has all. */
export type Side = 'sender' | 'receiver' | 'alone'

/** As they were at the start: whoever has moved to one side sees only its own any more. */
const CORES = allowedCores()

/** The command that keeps a process on its side; empty where there is nothing to keep apart. */
export function pinned(side: Side): readonly string[] {
  if (CORES.length < 2 || !hasProgram('taskset')) return []
  return ['taskset', '-c', coresOf(side).join(',')]
}

/** Moves this process, with all its threads, to that side; what it starts from then on inherits it. */
export function keepOn(side: Side): void {
  const [command, , list] = pinned(side)
  if (command) spawnSync(command, ['-a', '-c', '-p', list!, `${process.pid}`], { stdio: 'ignore' })
}

function coresOf(side: Side): readonly number[] {
  if (side === 'alone') return CORES
  return side === 'receiver' ? CORES.slice(-1) : CORES.slice(0, -1)
}

/** The processors that this process may use; none where the kernel does not tell. */
function allowedCores(): readonly number[] {
  const line = statusLine('Cpus_allowed_list')
  return line.split(',').flatMap(range => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number)
    if (Number.isNaN(first)) return []
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

function statusLine(name: string): string {
  try {
    const line = readFileSync('/proc/self/status', 'utf8')
      .split('\n')
      .find(text => text.startsWith(name))
    return line?.split(':')[1]?.trim() ?? ''
  } catch {
    return ''
  }
}
