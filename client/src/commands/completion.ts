import type { Command } from 'commander'
import { EXIT, type Exit } from '../exit.ts'
import { print } from '../output.ts'
import { bashCompletion } from '../shells/bash.ts'
import { fishCompletion } from '../shells/fish.ts'
import { outlineOf } from '../shells/outline.ts'
import { zshCompletion } from '../shells/zsh.ts'

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const
export type Shell = keyof typeof SCRIPTS

/** Prints the script that teaches a shell the command line. */
export function completionCommand(shell: Shell, program: Command): Exit {
  const { main, commands } = outlineOf(program)
  print(SCRIPTS[shell](main, commands))
  return EXIT.opened
}
