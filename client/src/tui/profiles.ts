import { codeSource } from '../codes.ts'
import type { Profile } from '../profile.ts'
import { listProfiles, loadProfile, profilesFolder } from '../profiles.ts'
import { unlockedAlready } from '../unlocking.ts'
import { readSshConfig, sshCommand } from './ssh.ts'
import type { Profiles, Target } from './state.ts'

/** Every target that can be read, and a line for each that cannot. */
export function readProfiles(): Profiles {
  const folder = profilesFolder()
  const names = listProfiles(folder)
  if (!names.ok) return { targets: [], problems: [names.error.message] }
  const sshConfig = readSshConfig()
  const targets: Target[] = []
  const problems: string[] = []
  for (const name of names.value) {
    const profile = loadProfile(folder, name)
    if (profile.ok) targets.push(shown(name, profile.value, sshConfig))
    else problems.push(profile.error.message)
  }
  return { targets, problems }
}

export const givesCodes = (profile: Pick<Profile, 'otpCommand' | 'totpSecret'>): boolean =>
  codeSource({}, profile).kind !== 'ask'

function shown(name: string, profile: Profile, sshConfig: string): Target {
  const { host, port, user, device, services } = profile
  return {
    ...{ name, host, port, user, device, services },
    isLocked: unlockedAlready(profile) === undefined,
    givesCodes: givesCodes(profile),
    command: sshCommand(name, host, sshConfig),
  }
}
