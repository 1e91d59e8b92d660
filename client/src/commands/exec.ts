import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import { EXEC, EXIT, Failure } from '../exit.ts'
import { closeOnce, type Knocker } from '../knocker.ts'
import { warn } from '../output.ts'
import { quote } from '../quote.ts'
import { report } from '../report.ts'
import { type KnockerFlags, mustPass, passageTo } from './knocker.ts'

export interface ExecFlags extends KnockerFlags {
  readonly ifNeeded?: boolean
  readonly close?: boolean
}

/** Whoever sends this process away, or sends it a word, means the command. */
const FORWARDED = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const
/** From the keyboard these go to the command too: sent on, it would get them twice. */
const FROM_KEYBOARD = ['SIGINT', 'SIGQUIT'] as const

/** Opens the door, runs a command, and ends as the command does. */
export async function execCommand(
  name: string,
  services: readonly string[],
  command: readonly string[],
  flags: ExecFlags,
): Promise<number> {
  const [file, ...args] = command
  if (file === undefined) {
    throw new Failure(EXIT.usage, 'no command to run: oneknock exec TARGET -- COMMAND…')
  }
  const passage = passageTo(name, services, flags)
  // Whatever closing takes is asked for now, not behind the command's back.
  const knocker = flags.close ? await passage.knocker() : undefined
  const { exit, line } = await mustPass(passage, flags.ifNeeded ? 0 : Date.now())
  if (exit !== EXIT.opened) throw new Failure(exit, line)
  const status = await run(file, args)
  if (knocker) await close(knocker)
  return status
}

function run(file: string, args: readonly string[]): Promise<number> {
  // Before there is a command: it may be sent for as soon as it runs.
  const forward = (signal: NodeJS.Signals) => child.kill(signal)
  for (const signal of FORWARDED) process.on(signal, forward)
  for (const signal of FROM_KEYBOARD) process.on(signal, hasTerminal() ? () => {} : forward)
  const child = spawn(file, args, { stdio: 'inherit' })
  return new Promise(settle => {
    child.once('error', ({ code }: NodeJS.ErrnoException) => {
      warn(`cannot run ${quote(file)} (${code}); is it installed, and in the PATH?`)
      settle(code === 'ENOENT' ? EXEC.notFound : EXEC.notExecutable)
    })
    child.once('exit', (status, signal) =>
      settle(status ?? EXEC.signalled + constants.signals[signal!]),
    )
  })
}

/** What the command did is done, whatever becomes of the door: it closes by itself in the end. */
async function close(knocker: Knocker): Promise<void> {
  const { host, port } = knocker.profile
  const result = await closeOnce(knocker)
  const { exit, line } = report(result, { name: knocker.name, host, port, verb: 'close' })
  if (exit !== EXIT.opened) warn(`not closed, so it stays open for its time: ${line}`)
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}
