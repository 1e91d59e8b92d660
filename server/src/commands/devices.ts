import { toBase64Url } from '@oneknock/shared'
import { ownCommand } from '../config/command.ts'
import { addDevice as addToText, removeDevice as removeFromText } from '../users/edit.ts'
import { byLabel } from '../users/user.ts'
import { editUser } from './edit-user.ts'
import { invitationOf, newDevice } from './enrol.ts'
import { Failure } from './failure.ts'
import { statusOfChange } from './notify.ts'
import { print, printJson } from './output.ts'
import { withQr } from './qr.ts'
import { openSettings } from './settings.ts'

export interface DeviceOptions {
  readonly config: string
  readonly json?: boolean
  readonly invitation?: boolean
  readonly invitationQr?: boolean
}

/** Gives a user one more device, and prints its invitation, once. */
export async function addDevice(
  name: string,
  label: string,
  options: DeviceOptions,
): Promise<number> {
  const config = await openSettings(options.config)
  const device = newDevice(name, label)
  const user = await editUser(config, name, {
    wanted: before => {
      const { devices } = before
      if (!devices.some(one => one.label === label)) {
        return { ...before, devices: [...devices, device].toSorted(byLabel) }
      }
      throw new Failure(
        `${name} has a device ${label} already; remove it first, or take another label`,
      )
    },
    text: async before => addToText(before, device),
  })
  const invitation = invitationOf(config, user, device)
  if (options.json) {
    printJson({ user: name, device: label, device_key: toBase64Url(device.key), invitation })
  } else if (options.invitation) {
    print(`${invitation}\n`)
  } else {
    print(`${name} has a device "${label}" now. On it run \`oneknock add\`, and paste its invitation.
It is a secret, good for 24 hours, and not shown again:

${options.invitationQr ? withQr(invitation) : invitation}
`)
  }
  return statusOfChange(config)
}

export async function removeDevice(
  name: string,
  label: string,
  options: DeviceOptions,
): Promise<number> {
  const config = await openSettings(options.config)
  await editUser(config, name, {
    wanted: before => {
      const { devices } = before
      if (devices.some(one => one.label === label)) {
        return { ...before, devices: devices.filter(one => one.label !== label) }
      }
      throw new Failure(`${name} has no device ${label}; see: ${ownCommand(`user show ${name}`)}`)
    },
    text: before => removeFromText(before, label),
  })
  if (options.json) printJson({ user: name, device: label })
  else print(`${name} has no device "${label}" any more.\n`)
  return statusOfChange(config)
}
