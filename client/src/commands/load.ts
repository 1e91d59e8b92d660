import { askPerson, REACH, type Reach } from '../asking.ts'
import type { CodeError } from '../codes.ts'
import { EXIT, Failure } from '../exit.ts'
import type { Profile } from '../profile.ts'
import { loadProfile, type ProfileError, profilesFolder } from '../profiles.ts'
import { type Unlocked, unlock, unlockedAlready } from '../unlocking.ts'

/** The profile of a target given on the command line; every failure ends the command. */
export function mustLoad(name: string): Profile {
  const profile = loadProfile(profilesFolder(), name)
  if (!profile.ok) throw profileFailure(profile.error)
  return profile.value
}

/** The same with its key at hand. Whoever locked it is asked for the passphrase. */
export async function mustUnlock(
  name: string,
  profile: Profile,
  reach: Reach = REACH,
): Promise<Unlocked> {
  const already = unlockedAlready(profile)
  if (already) return already
  const asked = await askPerson(
    {
      what: 'passphrase',
      text: `Passphrase for ${name}: `,
      echo: 'nothing',
      otherwise: 'set SSH_ASKPASS, or on a machine: oneknock unlock',
    },
    reach,
  )
  if (!asked.ok) throw answerFailure(asked.error)
  const unlocked = await unlock(profile, withoutNewline(asked.value))
  if (unlocked.ok) return unlocked.value
  throw wrongPassphrase(name)
}

export const wrongPassphrase = (name: string): Failure =>
  new Failure(
    EXIT.profile,
    `this passphrase does not open the key of ${name}; try again, or remove the target and add it with a new invitation`,
  )

/** A program ends what it prints with one. */
const withoutNewline = (text: string): string => text.replace(/\r?\n$/, '')

export const profileFailure = ({ code, message }: ProfileError): Failure =>
  new Failure(code === 'bad-name' ? EXIT.usage : EXIT.profile, message)

/** Of what a person, or a program in their place, was asked for. */
export function answerFailure({ code, message }: CodeError): Failure {
  switch (code) {
    case 'interrupted':
      return new Failure(EXIT.interrupted, message)
    case 'command-failed':
      return new Failure(EXIT.profile, message)
    case 'not-a-code':
    case 'nobody-to-ask':
      return new Failure(EXIT.usage, message)
  }
}
