import type { NtfySettings } from '../core/directory.ts'
import { type Channel, type ChannelParts, DeliveryError, type Letter } from './channel.ts'
import { post } from './post.ts'

/** Publishes as JSON, which goes to the server's root and names the topic inside. */
export function ntfyChannel({ url, token }: NtfySettings, { readSecret }: ChannelParts): Channel {
  return {
    async send(letter: Letter) {
      const { to, message } = letter
      const topic = to.contact?.ntfy
      if (topic === undefined) {
        const line = `user ${to.user} has no ntfy topic: add [contact] with ntfy = "…" to their file`
        throw new DeliveryError('no-contact', line)
      }
      const authorization: Record<string, string> = token
        ? { authorization: `Bearer ${readSecret(token)}` }
        : {}
      const actions = message.actions?.map(({ label, url }) => ({ action: 'view', label, url }))
      const body = {
        topic,
        title: message.title,
        message: message.text,
        ...(actions && { actions }),
      }
      await post('ntfy', url, authorization, JSON.stringify(body), letter)
    },
  }
}
