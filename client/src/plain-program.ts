import { knockCommand } from './commands/knock.ts'
import { complain } from './complaint.ts'
import { concluded } from './output.ts'
import { readPlainKnock } from './plain-knock.ts'

/** Runs what a person waits for most often, and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  const { target, services, flags } = readPlainKnock(args)!
  return concluded(await knockCommand(target, services, flags).catch(complain))
}
