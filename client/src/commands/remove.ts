import { EXIT, type Exit } from '../exit.ts'
import { say } from '../output.ts'
import { profilesFolder, removeProfile } from '../profiles.ts'
import { profileFailure } from './load.ts'

export async function removeCommand(name: string): Promise<Exit> {
  const removed = removeProfile(profilesFolder(), name)
  if (!removed.ok) throw profileFailure(removed.error)
  say(`removed ${name} and its key; the server still knows the device: tell its administrator`)
  return EXIT.opened
}
