import { resolve } from 'node:path'
import type { Command } from 'commander'
import { settleConfig } from '../config/command.ts'

/** Each command is loaded when it is asked for: nobody waits for the daemon to list users. */
export function act<Options>(
  run: (options: Options, ...operands: string[]) => Promise<number>,
): (this: Command) => Promise<void> {
  return async function () {
    const options = this.optsWithGlobals()
    const config = resolve(options.config)
    settleConfig(config)
    process.exitCode = await run({ ...options, config } as Options, ...this.args)
  }
}

export const JSON_OPTION = ['--json', 'print one JSON value'] as const

export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map(line => `  ${line}\n`).join('')}`

export const listed = (text: string): string[] => text.split(',').flatMap(name => name.trim() || [])
