import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Endpoint, Service } from '../../../server/src/core/directory.ts'
import {
  AuthorizedKeysHook,
  type AuthorizedKeysParts,
} from '../../../server/src/hooks/authorized-keys.ts'
import { ManualClock } from './clock.ts'
import { service } from './service.ts'

/** A key of nobody's; only sshd itself would mind. */
export const KEY =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'

/** Where nothing above it is open to others, as sshd wants it: /tmp is not. */
export function privateFolder(): string {
  const folder = mkdtempSync(join(process.geteuid?.() === 0 ? '/run' : tmpdir(), 'okh-'))
  chmodSync(folder, 0o755)
  return folder
}

export const removeFolder = (folder: string) => rmSync(folder, { recursive: true })

export const permits = (
  name: string,
  file: string,
  to: readonly Endpoint[],
  own: Partial<Service> = {},
): Service => service(name, { permit: { to, account: 'nobody', file }, ...own })

/** Whoever it is has these keys. */
export function everybody(keys: () => readonly string[] = () => [KEY]) {
  const users = new Map<string, { sshKeys: readonly string[] }>()
  users.get = () => ({ sshKeys: keys() })
  return users
}

/** A hook that is started, whose users all have one key. */
export async function startHook(
  parts: Partial<AuthorizedKeysParts> & Pick<AuthorizedKeysParts, 'services'>,
): Promise<AuthorizedKeysHook> {
  const hook = new AuthorizedKeysHook({
    clock: new ManualClock(),
    log: () => {},
    users: everybody(),
    ...parts,
  })
  await hook.start()
  return hook
}
