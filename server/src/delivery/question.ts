import { formatNetwork } from '@oneknock/shared'
import type { Pending } from '../core/waiting.ts'
import type { Message } from './channel.ts'

/** Below the HTTP door's public address, before the token. */
export const APPROVE_PATH = '/approve/'
/** The fields that a form or a button posts there. */
export const YES = 'answer=yes'
const NO = 'answer=no'

/** What somebody is asked: who, what, from where, when, and until when they can answer. */
export function questionOf(
  pending: Omit<Pending, 'tokenHash'>,
  token: string,
  publicUrl: string,
): Message {
  const { user, device, network, source, since, until } = pending
  const what = whatIsAsked(pending)
  const from = formatNetwork(network)
  const sent = from === source ? '' : `, asked for from ${source}`
  const url = `${publicUrl}${APPROVE_PATH}${token}`
  return {
    title: `${user} asks: ${what}?`,
    text: [
      `Who: ${device}`,
      `What: ${what}`,
      `From: ${from}${sent}`,
      `When: ${second(since)}`,
      `Until ${second(until)} you can say yes or no. Say no if you do not know of it.`,
    ].join('\n'),
    actions: [
      { label: 'Approve', url, post: YES },
      { label: 'Deny', url, post: NO },
      { label: 'Look', url },
    ],
  }
}

/** `open ssh, wiki`; a door that opens nothing lets in itself. */
export const whatIsAsked = ({ services, device }: Pick<Pending, 'services' | 'device'>): string =>
  services.length > 0
    ? `open ${services.join(', ')}`
    : `log in by ${device.slice(device.indexOf('@') + 1)}`

const second = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`
