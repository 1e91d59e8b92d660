import { type Invitation, isName, NAME_RULE, parseDoorUrl, parseInvitation } from '@oneknock/shared'
import { EXIT, type Exit, Failure } from '../exit.ts'
import { whyNoInvitation } from '../invitation.ts'
import { say, warn } from '../output.ts'
import { isCommand } from '../profile.ts'
import { profilesFolder, saveProfile } from '../profiles.ts'
import { quote } from '../quote.ts'
import { parseSecret } from '../totp-secret.ts'
import { profileFailure } from './load.ts'
import { askSecret, isPiped, readInput } from './secrets.ts'

export interface AddFlags {
  readonly name?: string
  readonly otpCommand?: string
  readonly totpSecret?: boolean
  readonly http?: string
}

export async function addCommand(given: string | undefined, flags: AddFlags): Promise<Exit> {
  const { name: wanted, otpCommand } = flags
  if (wanted !== undefined && !isName(wanted)) {
    throw new Failure(EXIT.usage, `--name ${quote(wanted)}: ${NAME_RULE}`)
  }
  if (otpCommand !== undefined && !isCommand(otpCommand)) {
    throw new Failure(EXIT.usage, '--otp-command takes one line for /bin/sh; put more in a script')
  }
  const http = flags.http === undefined ? undefined : parseDoorUrl(flags.http)
  if (http === undefined && flags.http !== undefined) {
    throw new Failure(EXIT.usage, `--http ${quote(flags.http)}: give https://HOST[:PORT]`)
  }
  if (given !== undefined) {
    warn('warning: the invitation is a secret, and now in the shell history and the process list')
  }
  const received = await receive(given, flags.totpSecret === true)
  const invitation = readInvitation(received.invitation)
  const { key, name: proposed, ...rest } = invitation
  const name = wanted ?? proposed
  const saved = saveProfile(profilesFolder(), name, {
    ...rest,
    key: { kind: 'plain', bytes: key },
    ...(http !== undefined && { http }),
    ...(otpCommand !== undefined && { otpCommand }),
    ...(received.secret !== undefined && { totpSecret: readSecret(received.secret) }),
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

interface Received {
  readonly invitation: string
  readonly secret?: string
}

/** What is secret: asked for, or the input, whose last line is the secret if there is to be one. */
async function receive(given: string | undefined, withSecret: boolean): Promise<Received> {
  const input = isPiped() && (given === undefined || withSecret) ? await readInput() : undefined
  if (!withSecret) return { invitation: given ?? input ?? (await askSecret('Invitation')) }
  if (input === undefined) {
    const invitation = given ?? (await askSecret('Invitation'))
    return { invitation, secret: await askSecret('Authenticator secret') }
  }
  const lines = input.trim().split('\n')
  const secret = lines.pop()!
  return { invitation: given ?? lines.join('\n'), secret }
}

function readSecret(text: string): string {
  const secret = parseSecret(text)
  if (secret.ok) return secret.value
  throw new Failure(EXIT.profile, secret.error)
}
