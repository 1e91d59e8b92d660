import { EXIT, type Exit } from '../exit.ts'
import { forgetAll } from '../memory.ts'
import { say } from '../output.ts'
import { profilesFolder, removeProfile } from '../profiles.ts'
import { prepareRuntime } from '../runtime.ts'
import { profileFailure } from './load.ts'

export async function removeCommand(name: string): Promise<Exit> {
  const removed = removeProfile(profilesFolder(), name)
  if (!removed.ok) throw profileFailure(removed.error)
  const runtime = prepareRuntime()
  if (runtime.ok) forgetAll({ folder: runtime.value, name })
  say(`removed ${name} and its key; the server still knows the device: tell its administrator`)
  return EXIT.opened
}
