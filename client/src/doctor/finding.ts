import type { Exit } from '../exit.ts'

/** What the doctor looked at: stable, programs may rely on it. */
export type Check =
  | 'version'
  | 'profile'
  | 'name'
  | 'route'
  | 'reply'
  | 'http'
  | 'device'
  | 'clock'
  | 'address'
  | 'knock'
  | 'service'

export interface Finding {
  readonly check: Check
  readonly status: 'ok' | 'warn' | 'fail'
  readonly what: string
  /** What to do about it: with every finding that is not ok. */
  readonly next?: string
  /** What the command ends with, if this is the first that fails. */
  readonly exit?: Exit
}

export const fine = (check: Check, what: string): Finding => ({ check, status: 'ok', what })

export const warning = (check: Check, what: string, next: string): Finding => ({
  check,
  status: 'warn',
  what,
  next,
})

export const failure = (check: Check, exit: Exit, what: string, next: string): Finding => ({
  check,
  status: 'fail',
  what,
  next,
  exit,
})
