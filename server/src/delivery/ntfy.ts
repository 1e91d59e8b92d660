import type { NtfySettings } from '../core/directory.ts'
import {
  type Action,
  type Channel,
  type ChannelParts,
  DeliveryError,
  type Letter,
} from './channel.ts'
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
      const page = message.actions?.find(({ post }) => post === undefined)
      const body = {
        topic,
        title: message.title,
        message: message.text,
        ...(page && { click: page.url }),
        ...(message.actions && { actions: message.actions.map(buttonOf) }),
      }
      await post('ntfy', url, authorization, JSON.stringify(body), letter)
    },
  }
}

/** One that posts does so from the app itself, and takes the message away when it has. */
const buttonOf = ({ label, url, post: body }: Action) =>
  body === undefined
    ? { action: 'view', label, url }
    : { action: 'http', label, url, method: 'POST', headers: FORM, body, clear: true }

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
