import { type ConfigError, formatConfigError } from '../config/error.ts'

/** Ends a command with its lines on standard error and exit status 1; each says what to do next. */
export class Failure extends Error {
  readonly lines: readonly string[]

  constructor(...lines: readonly string[]) {
    super(lines.join('\n'))
    this.name = 'Failure'
    this.lines = lines
  }
}

export const configFailure = (errors: readonly ConfigError[]): Failure =>
  new Failure(...errors.map(formatConfigError))
