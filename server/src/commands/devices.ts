import { isDeepStrictEqual } from 'node:util'
import { toBase64Url } from '@oneknock/shared'
import { readTrusted } from '../config/files.ts'
import type { Config } from '../config.ts'
import type { Device, User } from '../core/directory.ts'
import { addDevice as addToText, removeDevice as removeFromText } from '../users/edit.ts'
import { replaceFile } from '../users/store.ts'
import { byLabel } from '../users/user.ts'
import { parseUser, USER_FILE, userFile } from '../users.ts'
import { invitationOf, newDevice } from './enrol.ts'
import { configFailure, Failure } from './failure.ts'
import { notifyDaemon } from './notify.ts'
import { print, printJson } from './output.ts'
import { withQr } from './qr.ts'
import { openSettings } from './settings.ts'
import { findUser } from './users.ts'

export interface DeviceOptions {
  readonly config: string
  readonly json?: boolean
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
  const user = await edit(config, name, {
    devices: before => {
      if (!before.some(one => one.label === label)) return [...before, device]
      throw new Failure(
        `${name} has a device ${label} already; remove it first, or take another label`,
      )
    },
    text: async before => addToText(before, device),
  })
  const invitation = invitationOf(config, user, device)
  if (options.json) {
    printJson({ user: name, device: label, device_key: toBase64Url(device.key), invitation })
  } else {
    print(`${name} has a device "${label}" now. On it run \`oneknock add\`, and paste its invitation.
It is a secret, good for 24 hours, and not shown again:

${options.invitationQr ? withQr(invitation) : invitation}
`)
  }
  await notifyDaemon(config)
  return 0
}

export async function removeDevice(
  name: string,
  label: string,
  options: DeviceOptions,
): Promise<number> {
  const config = await openSettings(options.config)
  await edit(config, name, {
    devices: before => {
      if (before.some(one => one.label === label)) return before.filter(one => one.label !== label)
      throw new Failure(`${name} has no device ${label}; see: oneknockd user show ${name}`)
    },
    text: before => removeFromText(before, label),
  })
  if (options.json) printJson({ user: name, device: label })
  else print(`${name} has no device "${label}" any more.\n`)
  await notifyDaemon(config)
  return 0
}

interface Edit {
  /** What the devices must be afterwards. */
  readonly devices: (before: readonly Device[]) => readonly Device[]
  /** Makes them so in the text. */
  readonly text: (before: string) => Promise<string>
}

/** Rewrites a user's file, if the new text means exactly the old user with these devices. */
async function edit(config: Config, name: string, { devices, text }: Edit): Promise<User> {
  await findUser(config, name)
  const file = userFile(config.usersFolder, name)
  let edited: User | undefined
  await replaceFile(file, async () => {
    const before = readTrusted(file, USER_FILE)
    if (!before.ok) throw configFailure([before.error])
    const user = await parseUser(config, name, before.value)
    if (!user.ok) throw configFailure(user.error)
    const wanted: User = { ...user.value, devices: devices(user.value.devices).toSorted(byLabel) }
    const after = await text(before.value)
    const got = await parseUser(config, name, after)
    if (!got.ok || !isDeepStrictEqual({ ...got.value }, wanted)) {
      const remedy = 'write each device under its own [devices.LABEL], or edit it by hand'
      throw new Failure(`${file} is written in a way that this command cannot edit; ${remedy}`)
    }
    edited = got.value
    return after
  })
  return edited!
}
