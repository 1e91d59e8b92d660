import { formatNetwork, type Reason } from '@oneknock/shared'
import type { Outcome } from '../../core/knocks.ts'

/*
 * What a Reply-Message says. Whoever has typed something wrong is told the same, whoever they are
 * and whatever it was: neither a password nor a code nor a user is to be found out here.
 */

export const WRONG = 'That is wrong, or too many wrong codes came before it.'
export const PASSWORD_ONLY = 'This door takes a plain password (PAP) only.'
export const NO_CODE = 'Type the password with the code behind it.'
export const NO_ADDRESS = 'The client does not say which address you have.'
export const NO_GRANT = 'Nothing is open for this address: knock first.'
export const GRANTED = 'Your door is open.'

const REFUSALS: Readonly<Record<Reason, string>> = {
  none: WRONG,
  'wrong-factor': WRONG,
  locked: WRONG,
  'factor-used': 'This code was used already: wait for the next one.',
  service: 'You may not open this.',
  address: 'You may not come from this address.',
  schedule: 'Not at this time.',
  'hook-failed': 'The door did not open: tell the administrator.',
  denied: 'Somebody said no.',
  'approval-timeout': 'Nobody said yes in time.',
  'state-unavailable': 'This cannot be recorded just now: try again later.',
}

/** What somebody is told who was judged. */
export function wordsFor({ status, reason, detail, network, lifetime }: Outcome): string {
  if (status !== 'opened') return REFUSALS[reason]
  if (detail === '') return 'You may come in.'
  return `Open for ${formatNetwork(network)}, for ${lifetime} seconds: ${detail}.`
}
