import * as v from 'valibot'
import type { ChannelSettings } from '../core/directory.ts'
import { isToldOnce, secretKeys, toldTwice, toSecret, untold } from './openers.ts'
import { parseEndpoint } from './places.ts'
import { parsed, table } from './tables.ts'
import * as value from './values.ts'

/** The tables below `[delivery]`: ways to people beside the packets. */

/** RFC 8314: TLS at once, or RFC 6409: submission, where STARTTLS comes first. */
const MAIL_PORTS = { smtps: 465, smtp: 587 } as const

const MAIL_SERVER = '"smtps://mail.example.com" or "smtp://mail.example.com:587"'
const mailServer = parsed(text => {
  const [, scheme, place = ''] = /^(smtps?):\/\/(.*)$/.exec(text) ?? []
  if (scheme !== 'smtp' && scheme !== 'smtps') return undefined
  const server = parseEndpoint(place, MAIL_PORTS[scheme])
  return (
    server && { server, tls: scheme === 'smtps' ? ('at once' as const) : ('starttls' as const) }
  )
}, `write the mail server, such as ${MAIL_SERVER}`)

/** RFC 5321 section 4.5.3.1.3. */
const MAIL_MAX = 254

/** Simple addresses only: what else RFC 5322 allows is of use to those who smuggle. */
const mailAddress = parsed(
  text =>
    text.length <= MAIL_MAX && /^[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9.-]+$/.test(text)
      ? text
      : undefined,
  'write a mail address, such as "anna@example.com"',
)

const ntfyTopic = parsed(
  text => (/^[\w-]{1,64}$/.test(text) ? text : undefined),
  'write an ntfy topic of letters, digits, "_" and "-"; whoever knows it reads it, so make it long',
)

const mailSchema = v.pipe(
  table({
    server: mailServer,
    ca: v.optional(value.path),
    from: mailAddress,
    user: v.optional(v.string('write the name of the login there')),
    ...secretKeys('password'),
  }),
  v.check(raw => isToldOnce(raw, 'password'), toldTwice('password')),
  v.check(
    raw => (raw.user === undefined) === (toSecret(raw, 'password') === undefined),
    'user and password_file (or password_env) go together',
  ),
  v.transform((raw): ChannelSettings => {
    const password = toSecret(raw, 'password')
    return {
      kind: 'mail',
      ...raw.server,
      ca: raw.ca,
      from: raw.from,
      login: password && { user: raw.user!, password },
    }
  }),
)

const ntfySchema = v.pipe(
  table({ server: value.web, ...secretKeys('token') }),
  v.check(raw => isToldOnce(raw, 'token'), toldTwice('token')),
  v.transform(
    (raw): ChannelSettings => ({ kind: 'ntfy', url: raw.server, token: toSecret(raw, 'token') }),
  ),
)

const webhookSchema = v.pipe(
  table({ url: value.web, ...secretKeys('secret') }),
  v.check(raw => isToldOnce(raw, 'secret'), toldTwice('secret')),
  v.check(raw => toSecret(raw, 'secret') !== undefined, untold('secret')),
  v.transform(
    (raw): ChannelSettings => ({ kind: 'webhook', url: raw.url, secret: toSecret(raw, 'secret')! }),
  ),
)

export const channelSchema = v.pipe(
  table({
    mail: v.optional(mailSchema),
    ntfy: v.optional(ntfySchema),
    webhook: v.optional(webhookSchema),
  }),
  v.transform(({ mail, ntfy, webhook }) => [mail, ntfy, webhook].filter(one => one !== undefined)),
  v.check(
    ways => ways.length === 1,
    'write one way: mail = { … }, ntfy = { … } or webhook = { … }',
  ),
  v.transform(([way]) => way!),
)

export const contactSchema = table({
  mail: v.optional(mailAddress),
  ntfy: v.optional(ntfyTopic),
})
