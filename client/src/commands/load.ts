import { EXIT, Failure } from '../exit.ts'
import type { Profile } from '../profile.ts'
import { loadProfile, type ProfileError, profilesFolder } from '../profiles.ts'

/** The profile of a target given on the command line; every failure ends the command. */
export function mustLoad(name: string): Profile {
  const profile = loadProfile(profilesFolder(), name)
  if (!profile.ok) throw profileFailure(profile.error)
  return profile.value
}

export const profileFailure = ({ code, message }: ProfileError): Failure =>
  new Failure(code === 'bad-name' ? EXIT.usage : EXIT.profile, message)
