import { NAME_MAX } from './constants.ts'

const NAME = new RegExp(`^[a-z0-9-]{1,${NAME_MAX}}$`)

/** Names of users, devices, services and targets. */
export const isName = (text: string): boolean => NAME.test(text)

/** What a person is told when a name is not one. */
export const NAME_RULE = `a name is 1 to ${NAME_MAX} of a-z, 0-9 and -`
