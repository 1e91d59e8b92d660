import { isDeepStrictEqual } from 'node:util'
import { readTrusted } from '../config/files.ts'
import type { Config } from '../config.ts'
import type { User } from '../core/directory.ts'
import { replaceFile } from '../users/store.ts'
import { parseUser, USER_FILE, userFile } from '../users.ts'
import { configFailure, Failure } from './failure.ts'
import { findUser } from './users.ts'

export interface UserEdit {
  /** What the user must be afterwards. */
  readonly wanted: (before: User) => User
  /** Makes them so in the text of their file. */
  readonly text: (before: string) => Promise<string>
}

/** Rewrites a user's file, if the new text means exactly the user that is wanted. */
export async function editUser(
  config: Config,
  name: string,
  { wanted, text }: UserEdit,
): Promise<User> {
  await findUser(config, name)
  const file = userFile(config.usersFolder, name)
  let edited: User | undefined
  await replaceFile(file, async () => {
    const before = readTrusted(file, USER_FILE)
    if (!before.ok) throw configFailure([before.error])
    const user = await parseUser(config, name, before.value)
    if (!user.ok) throw configFailure(user.error)
    const meant = { ...wanted(user.value) }
    const after = await text(before.value)
    const got = await parseUser(config, name, after)
    if (!got.ok || !isDeepStrictEqual({ ...got.value }, meant)) {
      const remedy = 'write each device under its own [devices.LABEL], or edit it by hand'
      throw new Failure(`${file} is written in a way that this command cannot edit; ${remedy}`)
    }
    edited = got.value
    return after
  })
  return edited!
}
