import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { CHILD_ENV, findProgram } from '../guard/program.ts'
import { TABLE } from './elements.ts'

/** Milliseconds until another is tried after one that ended: the heartbeat sees the same, later. */
const RESTART_PAUSE = 10_000

/**
 * Hears at once of a table that goes: some milliseconds without a guard, where the heartbeat alone
 * would leave up to a second. Not of its rules, which the heartbeat reads.
 */
export class Watch {
  readonly #program: string
  readonly #heard: () => void
  #child: ChildProcess | undefined
  #restart: NodeJS.Timeout | undefined
  #stopped = false

  constructor(program: string, heard: () => void) {
    this.#program = program
    this.#heard = heard
    this.#watch()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#restart)
    const child = this.#child
    if (!child) return
    const ended = new Promise(resolve => child.once('close', resolve))
    child.kill()
    await ended
  }

  #watch(): void {
    const [program, ...args] = endingWithUs([this.#program, 'monitor', 'destroy', 'tables'])
    const child = spawn(program, args, {
      env: CHILD_ENV,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#child = child
    createInterface({ input: child.stdout }).on('line', line => {
      if (line.includes(TABLE)) this.#heard()
    })
    child.once('error', () => {
      this.#child = undefined
    })
    child.once('close', () => {
      this.#child = undefined
      if (this.#stopped) return
      this.#restart = setTimeout(() => this.#watch(), RESTART_PAUSE).unref()
    })
  }
}

/** It reads nothing, so nothing would tell it that this process was killed: the kernel does. */
function endingWithUs(command: [string, ...string[]]): [string, ...string[]] {
  const setpriv = findProgram('setpriv')
  return setpriv ? [setpriv, '--pdeathsig', 'TERM', '--', ...command] : command
}
