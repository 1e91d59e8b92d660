import { fail, ok, type Result } from '@oneknock/shared'
import type { Echo } from './terminal.ts'

/** How this process reaches the person, and whether its input is free. */
export interface Reach {
  readonly env: NodeJS.ProcessEnv
  /** Its input carries somebody else's bytes, such as ssh's: no program that it runs may read them. */
  readonly isInputTaken: boolean
  /** Hands the terminal to a program that may ask something on it, until it has ended. */
  lend<T>(use: () => Promise<T>): Promise<T>
}

export const REACH: Reach = { env: process.env, isInputTaken: false, lend: use => use() }

/** Something that only a person knows. */
export interface Question {
  /** In messages: `code`, `passphrase`. */
  readonly what: string
  readonly text: string
  readonly echo: Echo
  /** What else would do, if nobody can be asked. */
  readonly otherwise: string
}

export interface NoAnswer {
  readonly code: 'command-failed' | 'nobody-to-ask' | 'interrupted'
  /** One line, without the answer. */
  readonly message: string
}

/** A command may wait for a passphrase, or for a key to be touched. */
const COMMAND_MS = 60_000

/** Asks on the terminal, else by the program that SSH_ASKPASS names, in the way that ssh does. */
export async function askPerson(
  question: Question,
  reach: Reach,
): Promise<Result<string, NoAnswer>> {
  const { SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: require } = reach.env
  const askpass = require === 'never' || !program ? undefined : program
  if (askpass !== undefined && (require === 'force' || require === 'prefer')) {
    return printedBy('SSH_ASKPASS', [askpass, question.text], reach)
  }
  const { askTerminal } = await import('./terminal.ts')
  const asked = await askTerminal(question.text, question.echo)
  if (asked.ok) return asked
  if (asked.error === 'interrupted') {
    return noAnswer('interrupted', `no ${question.what} was given; nothing was sent`)
  }
  if (askpass !== undefined) return printedBy('SSH_ASKPASS', [askpass, question.text], reach)
  const { what, otherwise } = question
  return noAnswer(
    'nobody-to-ask',
    `a ${what} is needed, and there is no terminal to ask on: ${otherwise}`,
  )
}

/** What a program prints, or a line on how it failed. */
export async function printedBy(
  name: string,
  [file, ...args]: readonly [string, ...string[]],
  { isInputTaken, lend }: Reach,
): Promise<Result<string, NoAnswer>> {
  const { capture } = await import('./capture.ts')
  const input = isInputTaken ? 'terminal' : 'inherit'
  const printed = await lend(() => capture(file, args, COMMAND_MS, input))
  return printed.ok
    ? ok(printed.value)
    : noAnswer('command-failed', `${name} ${printed.error}; nothing was sent`)
}

const noAnswer = (code: NoAnswer['code'], message: string) => fail<NoAnswer>({ code, message })
