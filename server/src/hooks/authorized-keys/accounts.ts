import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Account {
  readonly uid: number
  readonly home: string
}

/** One of this host's own accounts; those of a directory service are not looked up. */
export function findAccount(name: string): Account | undefined {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [login, , uid, , , home] = line.split(':')
    if (login === name && uid && home) return { uid: Number(uid), home }
  }
  return undefined
}

/** Where sshd looks unless it is told otherwise. */
export const keysFileOf = ({ home }: Account): string => join(home, '.ssh', 'authorized_keys')
