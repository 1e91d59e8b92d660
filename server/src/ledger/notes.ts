import { ownCommand } from '../config/command.ts'
import type { WrongLine } from './lines.ts'

/** Why a ledger cannot be opened or read. */
export type LedgerError = LedgerDamage | LedgerUnreadable | AnotherDaemon

/** What stands there is not what was acknowledged. Going on would forget something. */
export interface LedgerDamage {
  readonly code: 'ledger-damaged'
  readonly file: string
  /** From 1; 0 if it is the whole file. */
  readonly line: number
  readonly wrong: WrongLine | 'missing' | 'short' | 'link'
  readonly message: string
}

export interface LedgerUnreadable {
  readonly code: 'ledger-unreadable'
  readonly message: string
}

export interface AnotherDaemon {
  readonly code: 'another-daemon'
  readonly message: string
}

/** Why an event was not recorded. */
export interface LedgerFailure {
  readonly code: 'state-unavailable'
  readonly why: 'disk' | 'space' | 'queue-full' | 'another-daemon' | 'closed'
  readonly message: string
}

/** What an administrator may want to know, in the order in which it happens. */
export type LedgerNote = (
  | { readonly kind: 'cut'; readonly file: string; readonly line: number; readonly bytes: number }
  | { readonly kind: 'skipped'; readonly file: string; readonly bytes: number }
  | { readonly kind: 'opened'; readonly file: string; readonly seq: number }
  | { readonly kind: 'failed'; readonly why: LedgerFailure['why'] }
  | { readonly kind: 'space'; readonly level: SpaceLevel }
) & { readonly message: string }

/** `low` is the last tenth: refusals are no longer recorded. */
export type SpaceLevel = 'ample' | 'low' | 'used-up'

const WRONG: Record<LedgerDamage['wrong'], string> = {
  form: 'is not a line of a ledger',
  hash: 'does not carry the hash of its content and of the line before it',
  sequence: 'does not follow the line before it: lines are missing',
  commit: 'carries a commit mark that does not count its group',
  checkpoint: 'is not a checkpoint that this version can read',
  missing: 'is missing',
  short: 'is missing: the file is shorter than what was recorded in it',
  link: 'does not go on from where the file before it ends',
}

export function damage(file: string, line: number, wrong: LedgerDamage['wrong']): LedgerDamage {
  const place = line > 0 ? `${file}: line ${line}` : file
  const message = `${place} ${WRONG[wrong]}; restore it, or see what can be kept: ${ownCommand('audit repair')}`
  return { code: 'ledger-damaged', file, line, wrong, message }
}

export const unreadable = (folder: string, error: unknown): LedgerUnreadable => ({
  code: 'ledger-unreadable',
  message: `cannot read the ledger in ${folder} (${describe(error)}); be its owner or root, and see that its disk is there`,
})

export const anotherDaemon = (folder: string): AnotherDaemon => ({
  code: 'another-daemon',
  message: `another oneknockd is using the ledger in ${folder}; stop it first`,
})

export const failure = (why: LedgerFailure['why'], message: string): LedgerFailure => ({
  code: 'state-unavailable',
  why,
  message,
})

export const describe = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
