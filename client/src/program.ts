import { CommanderError } from 'commander'
import { complain, oneLine } from './complaint.ts'
import type { Definition } from './definitions/definition.ts'
import { defineCommands } from './definitions.ts'
import { EXEC, EXIT } from './exit.ts'
import { concluded, warn } from './output.ts'

/** Put in by the bundler, from package.json. */
declare const ONEKNOCK_VERSION: string

/** Runs one command line, and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  let own = false
  const status = await runCommand(args).catch(error => {
    own = true
    // Commander has said it already.
    return error instanceof CommanderError ? error.exitCode : complain(error)
  })
  const exit = await concluded(status)
  // What `exec` itself fails with must not look like a status of the command that it runs.
  return args[0] === 'exec' && own && exit !== EXIT.opened ? EXEC.failed : exit
}

async function runCommand(args: readonly string[]): Promise<number> {
  let exit: number = EXIT.opened
  const { own, command } = splitCommand(args)
  const definition: Definition = {
    version: ONEKNOCK_VERSION,
    complain: (text, name) => warn(`${oneLine(text)}; see ${name} --help`),
    command,
    end: status => {
      exit = status
    },
  }
  const program = defineCommands(definition, own[0])
  await program.parseAsync(own, { from: 'user' })
  return exit
}

/** What follows `--` is the command that `exec` runs, whatever its arguments look like. */
function splitCommand(args: readonly string[]) {
  const at = args[0] === 'exec' ? args.indexOf('--') : -1
  return at < 0
    ? { own: args, command: [] }
    : { own: args.slice(0, at), command: args.slice(at + 1) }
}
