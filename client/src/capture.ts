import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { fail, ok, type Result } from '@oneknock/shared'

/** More than any code: a bound on what a mistaken command can fill. */
const OUTPUT_MAX = 4096

/** What a program reads: what this process would, or the terminal and nothing where there is none. */
export type Input = 'inherit' | 'terminal'

/**
 * What a program prints, or a few words on how it failed. It shares the terminal, so that it can ask
 * for a passphrase or a touch.
 */
export function capture(
  file: string,
  args: readonly string[],
  timeLimit: number,
  input: Input = 'inherit',
): Promise<Result<string, string>> {
  const terminal = input === 'terminal' ? openTerminal() : undefined
  const stdin = terminal ?? (input === 'terminal' ? 'ignore' : 'inherit')
  const child = spawn(file, args, { stdio: [stdin, 'pipe', 'inherit'] })
  if (terminal !== undefined) closeSync(terminal)
  const stdout = child.stdout!
  let output = ''
  return new Promise(settle => {
    const end = (result: Result<string, string>) => {
      clearTimeout(timer)
      // Something that it left running may hold the pipe: not to be waited for.
      stdout.destroy()
      settle(result)
    }
    const timer = setTimeout(() => {
      child.kill()
      end(fail(`took longer than ${timeLimit / 1000} s`))
    }, timeLimit)
    stdout.setEncoding('utf8')
    stdout.on('data', (text: string) => {
      output = (output + text).slice(0, OUTPUT_MAX)
    })
    child.on('error', (error: NodeJS.ErrnoException) =>
      end(fail(`cannot be run (${error.code ?? 'unknown error'})`)),
    )
    child.on('close', (status, signal) => {
      if (status === 0) end(ok(output))
      else end(fail(signal ? `was ended by ${signal}` : `ended with status ${status}`))
    })
  })
}

function openTerminal(): number | undefined {
  try {
    return openSync('/dev/tty', 'r')
  } catch {
    return undefined
  }
}
