import { EXIT, Failure } from '../exit.ts'

/** Many times what is ever asked for: a bound on what a mistaken pipe can fill. */
const INPUT_MAX = 4096

/** Whether secrets come from the input, and nobody is asked. */
export const isPiped = (): boolean => !process.stdin.isTTY

/** Asks at the terminal, and shows nothing of the answer. */
export async function askSecret(what: string, question = what): Promise<string> {
  const { askTerminal } = await import('../terminal.ts')
  const asked = await askTerminal(`${question} (not shown): `, 'nothing')
  if (asked.ok) return asked.value
  throw asked.error === 'interrupted'
    ? new Failure(EXIT.interrupted, `no ${what.toLowerCase()} was given; nothing was written`)
    : new Failure(
        EXIT.usage,
        `there is no terminal to ask on: give the ${what.toLowerCase()} on stdin`,
      )
}

export async function readInput(): Promise<string> {
  let text = ''
  process.stdin.setEncoding('utf8')
  for await (const chunk of process.stdin) {
    text += chunk
    if (text.length > INPUT_MAX) break
  }
  return text
}
