import { knockCommand } from './commands/knock.ts'
import { complain } from './complaint.ts'
import type { PlainKnock } from './plain-knock.ts'

/** Runs what a person waits for most often, and gives its exit status. */
export async function runPlainKnock({ target, services, flags }: PlainKnock): Promise<number> {
  try {
    return await knockCommand(target, services, flags)
  } catch (error) {
    return complain(error)
  }
}
