import { formatTotpSecret } from '@oneknock/shared'
import { setFactors } from '../users/edit.ts'
import { canAsk, confirmed } from './confirm.ts'
import { editUser } from './edit-user.ts'
import { newRecoveryCodes, newTotp, otpauthOf } from './enrol.ts'
import { statusOfChange } from './notify.ts'
import { colourAllowed, print, printJson } from './output.ts'
import { renderQr, shortenOtpauth } from './qr.ts'
import { recoveryAndSecret } from './secrets-shown.ts'
import { openSettings } from './settings.ts'
import { findUser, type UserOptions } from './users.ts'

/** A new authenticator and new recovery codes, for a phone that is lost; the old ones are no good. */
export async function resetUser(name: string, options: UserOptions): Promise<number> {
  const config = await openSettings(options.config)
  await findUser(config, name)
  const totp = newTotp()
  const recovery = newRecoveryCodes()
  const otpauth = otpauthOf(config, name, totp)
  const replace = () =>
    editUser(config, name, {
      wanted: before => ({ ...before, totp, recovery: recovery.kept }),
      text: before => setFactors(before, totp, recovery.kept),
    })
  const ask = !options.json && canAsk()
  if (!ask) await replace()
  if (options.json) printJson({ user: name, otpauth, recovery_codes: recovery.texts })
  else {
    print(`${name} gets a new authenticator. The old one and the old recovery codes are no good
any more. Nothing below is shown again.

`)
    print(recoveryAndSecret(recovery.texts, formatTotpSecret(totp.secret), 1))
    print(renderQr(shortenOtpauth(otpauth), colourAllowed()))
  }
  if (ask) {
    await confirmed(totp, `${name} has the authenticator of before; delete what was scanned`)
    await replace()
  }
  return statusOfChange(config)
}
