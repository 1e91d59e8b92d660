import { formatNetwork } from '@oneknock/shared'
import { EXIT, type Exit } from '../exit.ts'
import { linkToFile } from '../hyperlink.ts'
import { say, sayJson, warn } from '../output.ts'
import type { Profile } from '../profile.ts'
import { listProfiles, loadProfile, profilePath, profilesFolder } from '../profiles.ts'
import { mustLoad, profileFailure } from './load.ts'

export interface ListFlags {
  readonly json?: boolean
}

/** Every target that can be read, and a line on stderr for each that cannot. */
export async function listCommand(flags: ListFlags): Promise<Exit> {
  const folder = profilesFolder()
  const names = listProfiles(folder)
  if (!names.ok) throw profileFailure(names.error)
  const rows: string[][] = []
  let exit: Exit = EXIT.opened
  for (const name of names.value) {
    const profile = loadProfile(folder, name)
    if (!profile.ok) {
      warn(profile.error.message)
      exit = EXIT.profile
    } else if (flags.json) sayJson(publicPart(name, profile.value))
    else rows.push(rowOf(name, profile.value))
  }
  if (names.value.length === 0) warn('no targets yet; add one with an invitation: oneknock add')
  if (rows.length > 0) for (const line of aligned([HEAD, ...rows])) say(line)
  return exit
}

export async function showCommand(name: string, flags: ListFlags): Promise<Exit> {
  const shown = publicPart(name, mustLoad(name))
  if (flags.json) sayJson(shown)
  else {
    const rows = Object.entries({ ...shown, file: linkToFile(profilePath(profilesFolder(), name)) })
    const asText = (value: unknown) => (Array.isArray(value) ? value.join(' ') : String(value))
    for (const line of aligned(rows.map(([key, value]) => [key, asText(value)]))) say(line)
  }
  return EXIT.opened
}

const HEAD = ['TARGET', 'HOST', 'PORT', 'USER', 'DEVICE', 'SERVICES']

const rowOf = (name: string, { host, port, user, device, services }: Profile): string[] => [
  name,
  host,
  String(port),
  user,
  device,
  services.join(' '),
]

/** All but the key, and the secret for codes. */
function publicPart(name: string, profile: Profile) {
  const { host, port, user, device, key, services, http, otpCommand, totpSecret, address } = profile
  return {
    target: name,
    host,
    port,
    user,
    device,
    key: key.kind,
    services,
    ...(http !== undefined && { http }),
    ...(otpCommand !== undefined && { otp_command: otpCommand }),
    ...(totpSecret !== undefined && { totp_secret: 'stored' }),
    ...(address && { address: formatNetwork(address) }),
  }
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}
