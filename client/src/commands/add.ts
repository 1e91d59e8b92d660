import { type Invitation, isName, NAME_RULE, parseInvitation } from '@oneknock/shared'
import { EXIT, type Exit, Failure } from '../exit.ts'
import { whyNoInvitation } from '../invitation.ts'
import { say, warn } from '../output.ts'
import { isCommand } from '../profile.ts'
import { profilesFolder, saveProfile } from '../profiles.ts'
import { quote } from '../quote.ts'
import { profileFailure } from './load.ts'

export interface AddFlags {
  readonly name?: string
  readonly otpCommand?: string
}

/** Many times the longest invitation: a bound on what a mistaken pipe can fill. */
const INPUT_MAX = 4096

export async function addCommand(given: string | undefined, flags: AddFlags): Promise<Exit> {
  const { name: wanted, otpCommand } = flags
  if (wanted !== undefined && !isName(wanted)) {
    throw new Failure(EXIT.usage, `--name ${quote(wanted)}: ${NAME_RULE}`)
  }
  if (otpCommand !== undefined && !isCommand(otpCommand)) {
    throw new Failure(EXIT.usage, '--otp-command takes one line for /bin/sh; put more in a script')
  }
  if (given !== undefined) {
    warn('warning: the invitation is a secret, and now in the shell history and the process list')
  }
  const invitation = readInvitation(given ?? (await receive()))
  const { key, name: proposed, ...rest } = invitation
  const name = wanted ?? proposed
  const saved = saveProfile(profilesFolder(), name, {
    ...rest,
    key: { kind: 'plain', bytes: key },
    ...(otpCommand !== undefined && { otpCommand }),
  })
  if (!saved.ok) throw profileFailure(saved.error)
  say(`added ${name}: ${rest.user} on ${rest.device}, at ${rest.host} port ${rest.port}`)
  say(`the invitation is no longer needed: delete it; knock with: oneknock knock ${name}`)
  return EXIT.opened
}

function readInvitation(text: string): Invitation {
  const invitation = parseInvitation(text)
  if (invitation.ok) return invitation.value
  throw new Failure(EXIT.profile, whyNoInvitation(invitation.error))
}

async function receive(): Promise<string> {
  if (!process.stdin.isTTY) return readInput()
  const { askTerminal } = await import('../terminal.ts')
  const asked = await askTerminal('Invitation (not shown): ', 'nothing')
  if (asked.ok) return asked.value
  throw asked.error === 'interrupted'
    ? new Failure(EXIT.interrupted, 'no invitation was given; nothing was written')
    : new Failure(EXIT.usage, 'there is no terminal to ask on: give the invitation on stdin')
}

async function readInput(): Promise<string> {
  let text = ''
  process.stdin.setEncoding('utf8')
  for await (const chunk of process.stdin) {
    text += chunk
    if (text.length > INPUT_MAX) break
  }
  return text
}
