import { knockCommand } from './commands/knock.ts'
import { complain } from './complaint.ts'
import { readPlainKnock } from './plain-knock.ts'

/** Runs what a person waits for most often, and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const { target, services, flags } = readPlainKnock(args)!
    return await knockCommand(target, services, flags)
  } catch (error) {
    return complain(error)
  }
}
