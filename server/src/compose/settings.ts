import type { Config } from '../config.ts'
import type { Device, Directory } from '../core/directory.ts'

/** What the administrator's files say. */
export interface Settings {
  readonly config: Config
  readonly directory: Directory
}

export const devicesOf = ({ users }: Directory): Device[] =>
  [...users.values()].flatMap(({ devices }) => devices)
