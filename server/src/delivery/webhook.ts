import { createHmac } from 'node:crypto'
import type { WebhookSettings } from '../core/directory.ts'
import type { Channel, ChannelParts } from './channel.ts'
import { post } from './post.ts'

/**
 * Posts JSON. The header `OneKnock-Signature: t=SECONDS,v1=HEX` proves who it is from: HEX is the
 * HMAC-SHA-256, keyed with the shared secret, over `SECONDS.BODY`. An old time is a replay.
 */
export function webhookChannel(
  { url, secret }: WebhookSettings,
  { readSecret, now }: ChannelParts,
): Channel {
  return {
    async send(letter) {
      const { to, message, id } = letter
      const { title, text, actions = [] } = message
      const body = JSON.stringify({ id, user: to.user, title, text, actions })
      const seconds = Math.floor(now() / 1000)
      const proof = createHmac('sha256', readSecret(secret)).update(`${seconds}.${body}`)
      const signature = `t=${seconds},v1=${proof.digest('hex')}`
      await post('the webhook', url, { 'oneknock-signature': signature }, body, letter)
    },
  }
}
