import { type Command, CommanderError } from 'commander'
import { defineCommands } from './definitions.ts'
import { EXIT, type Exit, Failure } from './exit.ts'
import { warn } from './output.ts'

/** Put in by the bundler, from package.json. */
declare const ONEKNOCK_VERSION: string

/** Runs one command line, and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  let exit: Exit = EXIT.opened
  const program = defineCommands({
    version: ONEKNOCK_VERSION,
    complain: text => warn(`${oneLine(text)}; see oneknock --help`),
    end: status => {
      exit = status
    },
  })
  if (args.length === 0) return introduce(program)
  try {
    await program.parseAsync(args, { from: 'user' })
    return exit
  } catch (error) {
    // Commander has said it already.
    if (error instanceof CommanderError) return error.exitCode
    if (error instanceof Failure) {
      warn(error.message)
      return error.exit
    }
    warn(`this is a mistake in oneknock, please report it: ${oneLine(String(error))}`)
    return EXIT.internal
  }
}

/** A person gets the help; a script that lost its arguments must not take that for an open door. */
function introduce(program: Command): Exit {
  if (process.stdout.isTTY) {
    program.outputHelp()
    return EXIT.opened
  }
  warn('no command; oneknock --help shows them')
  return EXIT.usage
}

/** Commander's complaints quote the arguments: nothing in them may break or colour the line. */
const oneLine = (text: string): string =>
  text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, ' ')
