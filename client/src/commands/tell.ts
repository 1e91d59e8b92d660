import type { Exit } from '../exit.ts'
import { EXIT } from '../exit.ts'
import type { KnockerEvent } from '../knocker.ts'
import { say, sayJson, warn } from '../output.ts'

/** Tells what a command came to: an answer on stdout, a failure on stderr, for programs all on stdout. */
export function tell(
  { exit, line, json }: { readonly exit: Exit; readonly line: string; readonly json: object },
  isJson: boolean,
): Exit {
  if (isJson) sayJson(json)
  else if (exit === EXIT.opened) say(line)
  else warn(line)
  return exit
}

/** Of what happens on the way only what takes a while: from there on it is up to somebody else. */
export const tellOfWaiting =
  (target: string, isJson: boolean) =>
  (event: KnockerEvent): void => {
    if (event.type === 'code-used') {
      const seconds = Math.ceil(event.waitMs / 1000)
      warn(`this code was used already: waiting ${seconds} s for the next`)
    } else if (event.type === 'reply' && event.status === 'pending') {
      const { status, detail } = event
      if (isJson) sayJson({ target, status, detail })
      else warn(`waiting for somebody to approve${detail && ` (${detail})`}; ^C stops waiting`)
    }
  }
