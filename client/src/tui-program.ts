import { complain } from './complaint.ts'
import { EXIT, type Exit, Failure } from './exit.ts'
import { startTui } from './tui/start.tsx'

/** No arguments: a person at a terminal gets the screen, and a script that lost its arguments a word. */
export async function run(): Promise<number> {
  try {
    return await show()
  } catch (error) {
    return complain(error)
  }
}

async function show(): Promise<Exit> {
  const { stdin, stdout, env } = process
  if (!stdin.isTTY || !stdout.isTTY || env.TERM === 'dumb') {
    throw new Failure(
      EXIT.usage,
      'no command, and no terminal to draw on; in scripts: oneknock knock TARGET (see oneknock --help)',
    )
  }
  return startTui()
}
