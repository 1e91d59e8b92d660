import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChannelSettings } from './core/directory.ts'
import {
  type Channel,
  type ChannelParts,
  DeliveryError,
  type Letter,
  type Message,
  type Recipient,
} from './delivery/channel.ts'
import { mailChannel } from './delivery/mail.ts'
import { ntfyChannel } from './delivery/ntfy.ts'
import { webhookChannel } from './delivery/webhook.ts'
import { SecretError } from './secrets.ts'

export { type Action, DeliveryError, type Message, type Recipient } from './delivery/channel.ts'

/** Brings messages to people on channels that the configuration names. */
export interface Delivery {
  /** Resolves once the channel has taken the message over; rejects with a `DeliveryError`. */
  send(channel: string, to: Recipient, message: Message): Promise<void>
}

export interface DeliveryParts extends ChannelParts {
  /** Milliseconds; a test has none to lose. */
  readonly sleep?: (ms: number) => Promise<unknown>
  readonly attemptLimit?: number
}

/** Milliseconds for one attempt: a mail server that looks names up is slow. */
const ATTEMPT_LIMIT = 10_000
/** Milliseconds between attempts. With their limits all is over while somebody still waits for it. */
const PAUSES = [1_000, 3_000]

export function makeDelivery(
  channels: ReadonlyMap<string, ChannelSettings>,
  parts: DeliveryParts,
): Delivery {
  const made = new Map(
    [...channels].map(([name, settings]) => [name, makeChannel(settings, parts)]),
  )
  return {
    async send(name, to, message) {
      const channel = made.get(name)
      if (!channel) {
        const line = `there is no channel ${name}: add [delivery.${name}] to the configuration`
        throw new DeliveryError('unknown-channel', line)
      }
      const { attemptLimit: timeLimit = ATTEMPT_LIMIT, sleep: pause = rest } = parts
      await sendPatiently(channel, { to, message, id: randomUUID(), timeLimit }, pause)
    },
  }
}

/** A daemon that is told to stop does not wait for a channel that may be well again later. */
const rest = (ms: number): Promise<unknown> => sleep(ms, undefined, { ref: false })

async function sendPatiently(
  channel: Channel,
  letter: Letter,
  pause: (ms: number) => Promise<unknown>,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await withLimit(letter.timeLimit, channel.send(letter))
    } catch (error) {
      const failure = worded(error)
      const wait = PAUSES[attempt]
      if (!failure.passing || wait === undefined) throw failure
      await pause(wait)
    }
  }
}

/** A server that answers byte by byte would keep us for ever. */
async function withLimit(limit: number, work: Promise<void>): Promise<void> {
  const cancel = new AbortController()
  const late = sleep(limit, undefined, { signal: cancel.signal }).then(
    () => {
      const line = `the channel did not take the message within ${limit / 1000} s`
      throw new DeliveryError('unreachable', line, true)
    },
    () => {},
  )
  try {
    await Promise.race([work, late])
  } finally {
    cancel.abort()
  }
}

function worded(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error
  if (error instanceof SecretError) return new DeliveryError('secret', error.message)
  // Whatever else it says may hold what was to be sent.
  const { name, code } = error as NodeJS.ErrnoException
  return new DeliveryError('unreachable', `the message was not sent (${code ?? name})`, true)
}

function makeChannel(settings: ChannelSettings, parts: ChannelParts): Channel {
  switch (settings.kind) {
    case 'mail':
      return mailChannel(settings, parts)
    case 'ntfy':
      return ntfyChannel(settings, parts)
    case 'webhook':
      return webhookChannel(settings, parts)
  }
}
