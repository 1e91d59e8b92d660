import { readFileSync } from 'node:fs'

/** The kernel counts in hundredths of a second, whatever its own clock (proc_pid_stat(5)). */
const TICK_MS = 10

/**
 * Processor time of all children that have ended, milliseconds: what waiting for other work on the
 * machine is no part of. `undefined` where there is no /proc.
 */
export function childrenTime(): number | undefined {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8')
    // Behind a name that may hold spaces and brackets, the first field is the third.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[16 - 3]) + Number(fields[17 - 3])) * TICK_MS
  } catch {
    return undefined
  }
}
