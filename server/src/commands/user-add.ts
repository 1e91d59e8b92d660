import { existsSync } from 'node:fs'
import { formatTotpSecret, toBase64Url } from '@oneknock/shared'
import { ownCommand } from '../config/command.ts'
import type { Config } from '../config.ts'
import type { User } from '../core/directory.ts'
import { createFile, StoreError } from '../users/store.ts'
import { formatUser, unknownServiceMessage } from '../users/user.ts'
import { userFile } from '../users.ts'
import { canAsk, confirmed } from './confirm.ts'
import {
  checkName,
  invitationOf,
  newDevice,
  newRecoveryCodes,
  newTotp,
  otpauthOf,
} from './enrol.ts'
import { Failure } from './failure.ts'
import { statusOfChange } from './notify.ts'
import { colourAllowed, print, printJson } from './output.ts'
import { renderQr, shortenOtpauth, withQr } from './qr.ts'
import { recoveryAndSecret } from './secrets-shown.ts'
import { openSettings } from './settings.ts'

export interface UserAddOptions {
  readonly config: string
  readonly services: readonly string[]
  readonly device: string
  readonly json?: boolean
  readonly invitationQr?: boolean
}

/**
 * Adds somebody: their file, and on standard output, once, everything that they need. On a terminal
 * their first code is asked for before anything is written, so that nobody is left half enrolled.
 */
export async function addUser(name: string, options: UserAddOptions): Promise<number> {
  checkName('user', name)
  const config = await openSettings(options.config)
  const totp = newTotp()
  const recovery = newRecoveryCodes()
  const device = newDevice(name, options.device)
  const user: User = {
    name,
    services: knownServices(config, options.services),
    devices: [device],
    totp,
    recovery: recovery.kept,
    otherAddress: false,
    locked: false,
  }
  const otpauth = otpauthOf(config, name, totp)
  const invitation = invitationOf(config, user, device)
  const ask = !options.json && canAsk()
  if (ask) refuseIfThere(config, name)
  else await create(config, user)
  if (options.json) {
    printJson({
      user: name,
      device: device.label,
      device_key: toBase64Url(device.key),
      otpauth,
      invitation,
      recovery_codes: recovery.texts,
    })
  } else {
    print(invited(user, device.label, options.invitationQr ? withQr(invitation) : invitation))
    print(recoveryAndSecret(recovery.texts, formatTotpSecret(totp.secret), 2))
  }
  const status = ask ? 0 : await statusOfChange(config)
  // Last, so that all of it stands on a screen of 24 lines.
  if (!options.json) print(renderQr(shortenOtpauth(otpauth), colourAllowed()))
  if (!ask) return status
  await confirmed(totp, `${name} was not added; delete what was scanned`)
  await create(config, user)
  return statusOfChange(config)
}

function knownServices(config: Config, asked: readonly string[]): string[] {
  const wanted = [...new Set(asked)]
  if (wanted.length === 0) {
    const known = [...config.services.keys()].join(',')
    throw new Failure(`say what this user may open, such as: --services ${known}`)
  }
  const wrong = wanted.filter(name => !config.services.has(name))
  if (wrong.length === 0) return wanted
  throw new Failure(
    ...wrong.map(
      name => `${JSON.stringify(name)}: ${unknownServiceMessage(name, config.services)}`,
    ),
  )
}

function refuseIfThere(config: Config, name: string): void {
  if (existsSync(userFile(config.usersFolder, name))) throw thereAlready(name)
}

async function create(config: Config, user: User): Promise<void> {
  try {
    await createFile(userFile(config.usersFolder, user.name), formatUser(user))
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'exists')) throw error
    throw thereAlready(user.name)
  }
}

function thereAlready(name: string): Failure {
  const remedy = `for another device run: ${ownCommand(`device add ${name} LABEL`)}`
  return new Failure(`there is a user ${name} already; ${remedy}`)
}

const invited = ({ name, services }: User, label: string, invitation: string): string =>
  `${name} may open ${services.join(', ')}. Nothing below is shown again.

1. Run \`oneknock add\` on the device "${label}", and paste its invitation.
   It is a secret, and good for 24 hours:

${invitation}

`
