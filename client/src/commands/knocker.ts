import { REACH, type Reach } from '../asking.ts'
import { type CodeFlags, codeSource } from '../codes.ts'
import type { Knocker } from '../knocker.ts'
import { warn } from '../output.ts'
import type { Passage, Passed } from '../passage.ts'
import { type AskFlags, readAsk } from './ask.ts'
import { answerFailure, mustLoad, mustUnlock } from './load.ts'
import { tellOfWaiting } from './tell.ts'

export interface KnockerFlags extends AskFlags, CodeFlags {
  readonly json?: boolean
}

/** What the command line asks of a target. Nobody is asked anything until there has to be a knock. */
export function passageTo(
  name: string,
  services: readonly string[],
  flags: KnockerFlags,
  reach: Reach = REACH,
): Passage {
  const profile = mustLoad(name)
  const options = readAsk(profile, services, flags)
  const make = async (): Promise<Knocker> => {
    const unlocked = await mustUnlock(name, profile, reach)
    const source = codeSource(flags, unlocked)
    const on = tellOfWaiting(name, flags.json === true)
    return { name, profile: unlocked, options, source, reach, on }
  }
  let made: Promise<Knocker> | undefined
  const knocker = () => {
    made ??= make()
    return made
  }
  return { name, profile, options, knocker, warn }
}

/** Sees to it that the door is open, or ends the command. */
export async function mustPass(passage: Passage, since: number): Promise<Passed> {
  // A plain knock does without it.
  const { pass } = await import('../passage.ts')
  const passed = await pass(passage, since)
  if (!passed.ok) throw answerFailure(passed.error)
  return passed.value
}
