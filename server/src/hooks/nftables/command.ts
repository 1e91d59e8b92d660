import type { OpenElement } from '../guard/flows.ts'
import { createCommand, openCommand } from './elements.ts'

/** What nft is to do: its own words, or ends of elements that are to be set. */
export type Command = string | Ends

export interface Ends {
  readonly elements: readonly OpenElement[]
  /** When the time that remains was read, on the monotonic clock: it may have to wait for its turn. */
  readonly at: number
  /** As far as is known none of them is there: to make them is a third of the words. */
  readonly fresh: boolean
}

/** Whether it may be refused for what is there already. */
export const isHopeful = (command: Command): boolean => typeof command !== 'string' && command.fresh

/** Characters of a command that a child is given. */
const CHILD_CHARACTERS = 20_000

/**
 * Whether a process of its own is quicker: a child reads what it is told a character at a time, which
 * takes it a microsecond for each, and keeps a copy. Doors never are: people open no processes.
 */
export const isLong = (command: Command): boolean =>
  typeof command === 'string' && command.length > CHILD_CHARACTERS

/**
 * One line for all, in their order. Ends that follow each other are set together: ten times as fast.
 * `assured`: in words that hold whatever is there.
 */
export function lineOf(commands: readonly Command[], now: number, assured: boolean): string {
  const parts: string[] = []
  let ends: OpenElement[] = []
  let fresh = false
  const flush = () => {
    if (ends.length > 0) parts.push(fresh ? createCommand(ends) : openCommand(ends))
    ends = []
  }
  for (const command of commands) {
    if (typeof command === 'string') {
      flush()
      parts.push(command)
      continue
    }
    const hopes = command.fresh && !assured
    if (hopes !== fresh) flush()
    fresh = hopes
    ends.push(...elapsed(command, now))
  }
  flush()
  return parts.join('; ')
}

const elapsed = ({ elements, at }: Ends, now: number): OpenElement[] =>
  elements.map(element => ({ ...element, remaining: element.remaining - (now - at) }))
