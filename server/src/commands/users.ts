import { ownCommand } from '../config/command.ts'
import type { Config } from '../config.ts'
import { loadStateFolder, usersFolderOf } from '../config.ts'
import { isOnline, type User } from '../core/directory.ts'
import { removeFile, StoreError } from '../users/store.ts'
import { loadDirectory, loadUser, userFile } from '../users.ts'
import { checkName } from './enrol.ts'
import { configFailure, Failure } from './failure.ts'
import { statusOfChange } from './notify.ts'
import { print, printJson, remark } from './output.ts'
import { becomeOwnerOf } from './owner.ts'
import { openSettings } from './settings.ts'
import { printFacts, printTable } from './table.ts'

export interface UserOptions {
  readonly config: string
  readonly json?: boolean
}

export async function listUsers(options: UserOptions): Promise<number> {
  const directory = await loadDirectory(await openSettings(options.config))
  if (!directory.ok) throw configFailure(directory.error)
  const users = [...directory.value.users.values()]
  if (options.json) printJson(users.map(describe))
  else if (users.length === 0)
    remark(`There are no users; add one: ${ownCommand('user add NAME --services …')}`)
  else printTable(['USER', 'SERVICES', 'DEVICES', ''], users.map(listed))
  return 0
}

export async function showUser(name: string, options: UserOptions): Promise<number> {
  const user = await findUser(await openSettings(options.config), name)
  if (options.json) printJson(describe(user))
  else printFacts(shown(user))
  return 0
}

/** Works whatever else is wrong with the configuration: taking somebody's keys away must not wait. */
export async function removeUser(name: string, options: UserOptions): Promise<number> {
  checkName('user', name)
  const folder = usersFolderOf(options.config)
  becomeOwnerOf(folder)
  try {
    await removeFile(userFile(folder, name))
  } catch (error) {
    throw error instanceof StoreError && error.code === 'absent' ? noUser(name) : error
  }
  if (options.json) printJson({ user: name })
  else print(`${name} is no user any more.\n`)
  const state = loadStateFolder(options.config)
  if (state.ok) return statusOfChange({ state: state.value })
  remark(
    `A running daemon cannot take this up until the configuration is right; see: ${ownCommand('check')}`,
  )
  return 1
}

export async function findUser(config: Config, name: string): Promise<User> {
  checkName('user', name)
  const user = await loadUser(config, name)
  if (user.ok) return user.value
  throw user.error[0]?.code === 'absent' ? noUser(name) : configFailure(user.error)
}

const noUser = (name: string): Failure =>
  new Failure(`there is no user ${name}; see: ${ownCommand('user list')}`)

/** What a program may know of a user: nothing here is a secret. */
const describe = ({ name, services, locked, otherAddress, totp, recovery, ...user }: User) => ({
  user: name,
  services,
  locked,
  other_address: otherAddress,
  totp: totp !== undefined,
  recovery_codes: recovery.length,
  devices: user.devices.map(({ label, enrolledAt }) => ({
    device: label,
    enrolled: iso(enrolledAt),
  })),
  yubikeys: (user.yubikeys ?? []).map(token => ({
    yubikey: token.label,
    public_id: token.publicId,
    online: isOnline(token),
    services: token.services ?? services,
  })),
})

const listed = ({ name, services, devices, locked }: User): string[] => [
  name,
  services.join(', '),
  devices.map(({ label }) => label).join(', '),
  locked ? 'locked' : '',
]

const shown = (user: User): string[][] => [
  ['user', user.name],
  ['services', user.services.join(', ')],
  ['locked', user.locked ? 'yes' : 'no'],
  ['may admit other addresses', user.otherAddress ? 'yes' : 'no'],
  ['authenticator', user.totp ? 'yes' : 'no'],
  ['recovery codes', `${user.recovery.length}`],
  ...user.devices.map(({ label, enrolledAt }) => [
    `device ${label}`,
    `enrolled ${iso(enrolledAt)}`,
  ]),
  ...(user.yubikeys ?? []).map(token => [
    `yubikey ${token.label}`,
    [
      token.publicId,
      ...(isOnline(token) ? ['checked online'] : []),
      ...(token.services ? [`only ${token.services.join(', ')}`] : []),
    ].join(', '),
  ]),
]

const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')
