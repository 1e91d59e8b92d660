import { formatTotpSecret, toBase64Url } from '@oneknock/shared'
import type { Config } from '../config.ts'
import type { User } from '../core/directory.ts'
import { createFile, StoreError } from '../users/store.ts'
import { formatUser, unknownServiceMessage } from '../users/user.ts'
import { userFile } from '../users.ts'
import {
  checkName,
  invitationOf,
  newDevice,
  newRecoveryCodes,
  newTotp,
  otpauthOf,
} from './enrol.ts'
import { Failure } from './failure.ts'
import { notifyDaemon } from './notify.ts'
import { colourAllowed, formatTable, print, printJson } from './output.ts'
import { renderQr, shortenOtpauth, withQr } from './qr.ts'
import { openSettings } from './settings.ts'

export interface UserAddOptions {
  readonly config: string
  readonly services: readonly string[]
  readonly device: string
  readonly json?: boolean
  readonly invitationQr?: boolean
}

/** Adds somebody: their file, and on standard output, once, everything that they need. */
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
  await create(config, user)
  const otpauth = otpauthOf(config, name, totp)
  const invitation = invitationOf(config, user, device)
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
    const secret = formatTotpSecret(totp.secret)
    const shown = options.invitationQr ? withQr(invitation) : invitation
    print(enrolment(user, device.label, shown, recovery.texts, secret))
  }
  await notifyDaemon(config)
  // Last, so that all of it stands on a screen of 24 lines.
  if (!options.json) print(renderQr(shortenOtpauth(otpauth), colourAllowed()))
  return 0
}

export function knownServices(config: Config, asked: readonly string[]): string[] {
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

async function create(config: Config, user: User): Promise<void> {
  try {
    await createFile(userFile(config.usersFolder, user.name), formatUser(user))
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'exists')) throw error
    const remedy = `for another device run: oneknockd device add ${user.name} LABEL`
    throw new Failure(`there is a user ${user.name} already; ${remedy}`)
  }
}

/** What a person reads; the authenticator's QR code follows it. */
function enrolment(
  user: User,
  label: string,
  invitation: string,
  codes: readonly string[],
  secret: string,
): string {
  const columns = 2
  const rows = Array.from({ length: Math.ceil(codes.length / columns) }, (_, row) =>
    codes.slice(row * columns, (row + 1) * columns),
  )
  return `${user.name} may open ${user.services.join(', ')} now. Nothing below is shown again.

1. Run \`oneknock add\` on the device "${label}", and paste its invitation.
   It is a secret, and good for 24 hours:

${invitation}

2. Keep these recovery codes on paper. Each replaces the authenticator once:

${formatTable(rows.map(row => ['  ', ...row]))}
3. Scan this with an authenticator app, or type its secret into it:
   ${secret}

`
}
