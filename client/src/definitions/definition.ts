import type { Command } from 'commander'

/** What the definitions need of whoever runs them. */
export interface Definition {
  readonly version: string
  /** Says what is wrong with a command line, of `oneknock` or of a command of it. */
  readonly complain: (text: string, name: string) => void
  /** What `exec` is to run. */
  readonly command?: readonly string[]
  /** Takes the status that a command ends with. */
  readonly end: (status: number) => void
}

/** By the command's name, how it is made of an empty one. What it does is loaded when it runs. */
export type Definitions = Readonly<
  Record<string, (command: Command, definition: Definition) => Command>
>
