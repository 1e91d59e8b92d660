import { readFileSync } from 'node:fs'
import { parseAddress, scopeOf } from '@oneknock/shared'
import type { MailSettings } from '../core/directory.ts'
import {
  type Channel,
  type ChannelParts,
  DeliveryError,
  type Letter,
  type Message,
} from './channel.ts'

/** Sends over SMTP; the library is loaded by those who have mail to send. */
export function mailChannel(settings: MailSettings, parts: ChannelParts): Channel {
  return {
    async send(letter) {
      const { to, message, id } = letter
      const address = to.contact?.mail
      if (address === undefined) {
        const line = `user ${to.user} has no mail address: add [contact] with mail = "…" to their file`
        throw new DeliveryError('no-contact', line)
      }
      const { createTransport } = await import('nodemailer')
      const transport = createTransport(transportOf(settings, parts, letter))
      try {
        await transport.sendMail({
          from: settings.from,
          to: address,
          subject: message.title,
          text: textOf(message),
          messageId: `<${id}@oneknock>`,
          // RFC 3834: no holiday greeting is to answer.
          headers: { 'Auto-Submitted': 'auto-generated' },
        })
      } catch (error) {
        throw explain(settings, error)
      } finally {
        transport.close()
      }
    },
  }
}

function transportOf(settings: MailSettings, { readSecret }: ChannelParts, { timeLimit }: Letter) {
  const { server, tls, ca, login } = settings
  return {
    ...server,
    secure: tls === 'at once',
    ...(isOwnHost(server.host) ? { ignoreTLS: true } : { requireTLS: true }),
    ...(ca !== undefined && { tls: { ca: readAuthority(ca) } }),
    ...(login && { auth: { user: login.user, pass: readSecret(login.password) } }),
    dnsTimeout: timeLimit,
    connectionTimeout: timeLimit,
    greetingTimeout: timeLimit,
    socketTimeout: timeLimit,
    disableFileAccess: true,
    disableUrlAccess: true,
  }
}

function readAuthority(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new DeliveryError('unreachable', `ca cannot be read: ${(error as Error).message}`)
  }
}

/** Nobody is on the way to a mail server on this host, and its certificate is seldom one to trust. */
function isOwnHost(host: string): boolean {
  const address = parseAddress(host)
  return host === 'localhost' || (address !== undefined && scopeOf(address) === 'loopback')
}

const textOf = ({ text, actions = [] }: Message): string =>
  [text, ...actions.flatMap(({ label, url, post }) => (post ? [] : `${label}: ${url}`))].join(
    '\n\n',
  )

/** What the library says may quote what was sent, so only codes are taken from it. */
function explain({ server, login }: MailSettings, error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error
  const { code, responseCode } = error as { code?: string; responseCode?: number }
  const where = `mail server ${server.host} port ${server.port}`
  if (code === 'EAUTH') {
    const line = `${where} does not take the login of ${login?.user ?? 'nobody'}; check user and password_file`
    return new DeliveryError('refused', line)
  }
  if (code === 'ETLS' || code === 'ESOCKET') {
    const line = `${where} has no TLS that can be trusted, or cut the connection; check its certificate, or name its authority in ca`
    return new DeliveryError('unreachable', line, true)
  }
  if (responseCode !== undefined) {
    // RFC 5321 section 4.2.1: 4xx is for now, 5xx for good.
    return new DeliveryError('refused', `${where} answered ${responseCode}`, responseCode < 500)
  }
  return new DeliveryError('unreachable', `${where} cannot be reached (${code ?? 'unknown'})`, true)
}
