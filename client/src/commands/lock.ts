import { EXIT, type Exit, Failure } from '../exit.ts'
import { say } from '../output.ts'
import type { Profile } from '../profile.ts'
import { profilesFolder, replaceProfile } from '../profiles.ts'
import { PASSPHRASE_MIN } from '../sealing.ts'
import { lock, unlock, unlockedAlready } from '../unlocking.ts'
import { mustLoad, profileFailure, wrongPassphrase } from './load.ts'
import { askSecret, isPiped, readInput } from './secrets.ts'

/** Seals the key of a target, and its secret for codes if it has one. */
export async function lockCommand(name: string): Promise<Exit> {
  const unlocked = unlockedAlready(mustLoad(name))
  if (!unlocked) {
    const line = `${name} is locked; to give it another passphrase: oneknock unlock ${name}, then lock it again`
    throw new Failure(EXIT.profile, line)
  }
  const passphrase = isPiped() ? await readPassphrase() : await askTwice()
  const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes))
  replace(name, await lock(unlocked, passphrase, random))
  say(`locked ${name}: every knock there asks for the passphrase`)
  say('nobody can recover a lost one: the way back is a new invitation')
  return EXIT.opened
}

export async function unlockCommand(name: string): Promise<Exit> {
  const profile = mustLoad(name)
  if (profile.key.kind === 'plain') {
    say(`${name} is not locked`)
    return EXIT.opened
  }
  const unlocked = await unlock(
    profile,
    isPiped() ? await readPassphrase() : await askSecret('Passphrase'),
  )
  if (!unlocked.ok) throw wrongPassphrase(name)
  const { key, ...rest } = unlocked.value
  replace(name, { ...rest, key: { kind: 'plain', bytes: key } })
  say(`unlocked ${name}: who reads its file has its key`)
  return EXIT.opened
}

async function askTwice(): Promise<string> {
  const passphrase = checked(await askSecret('Passphrase'))
  const again = await askSecret('Passphrase', 'The same again')
  if (again === passphrase) return passphrase
  throw new Failure(EXIT.usage, 'the two are not the same; nothing was written')
}

/** One line, as a file or a pipe has it. */
const readPassphrase = async (): Promise<string> =>
  checked((await readInput()).replace(/\r?\n$/, ''))

function checked(passphrase: string): string {
  if (passphrase.length >= PASSPHRASE_MIN && !/[\r\n]/.test(passphrase)) return passphrase
  const rule = `a passphrase is one line of ${PASSPHRASE_MIN} characters or more, best several words`
  throw new Failure(EXIT.usage, `${rule}; nothing was written`)
}

function replace(name: string, profile: Profile): void {
  const replaced = replaceProfile(profilesFolder(), name, profile)
  if (!replaced.ok) throw profileFailure(replaced.error)
}
