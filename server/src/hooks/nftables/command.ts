import type { OpenElement } from '../guard/flows.ts'
import { openCommand } from './elements.ts'

/** What nft is to do: its own words, or ends of elements that are to be set. */
export type Command = string | Ends

export interface Ends {
  readonly elements: readonly OpenElement[]
  /** When the time that remains was read, on the monotonic clock: it may have to wait for its turn. */
  readonly at: number
}

/** One line for all, in their order. Ends that follow each other are set together: ten times as fast. */
export function lineOf(commands: readonly Command[], now: number): string {
  const parts: string[] = []
  let ends: OpenElement[] = []
  const flush = () => {
    if (ends.length > 0) parts.push(openCommand(ends))
    ends = []
  }
  for (const command of commands) {
    if (typeof command !== 'string') ends.push(...elapsed(command, now))
    else {
      flush()
      parts.push(command)
    }
  }
  flush()
  return parts.join('; ')
}

const elapsed = ({ elements, at }: Ends, now: number): OpenElement[] =>
  elements.map(element => ({ ...element, remaining: element.remaining - (now - at) }))
