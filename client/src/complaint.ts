import { EXIT, Failure } from './exit.ts'
import { warn } from './output.ts'

/** Says in one line what ended a command, and gives the status for it. */
export function complain(error: unknown): number {
  if (error instanceof Failure) {
    warn(error.message)
    return error.exit
  }
  warn(`this is a mistake in oneknock, please report it: ${oneLine(String(error))}`)
  return EXIT.internal
}

/** What is quoted of somebody's arguments must not break or colour the line. */
export const oneLine = (text: string): string =>
  text
    .trim()
    .replace(/^error: /, '')
    .replace(/\.$/, '')
    .replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, ' ')
