import { DEFAULT_CONFIG_FILE } from './defaults.ts'
import { quote } from './files.ts'

/** A process has one configuration, from its start to its end. */
let ownConfig = DEFAULT_CONFIG_FILE

export function settleConfig(file: string): void {
  ownConfig = file
}

/** What to type next, such as `check`, about the same configuration that this process has. */
export const ownCommand = (words: string): string => commandFor(ownConfig, words)

/** Where another file than the usual one is meant, every command must be told. */
export const commandFor = (config: string, words: string): string =>
  config === DEFAULT_CONFIG_FILE
    ? `oneknockd ${words}`
    : `oneknockd ${words} --config ${quote(config)}`
