import { formatNetwork } from '@oneknock/shared'
import type { Credentials } from './login-door.ts'

/** The title may be shown where others look. */
export interface RouterLetter {
  readonly title: string
  readonly text: string
}

export function letterOf({
  service,
  url,
  name,
  password,
  network,
  until,
}: Credentials): RouterLetter {
  const end = new Date(until).toISOString().slice(0, 16).replace('T', ' ')
  return {
    title: `Router login for ${service}`,
    text: [
      `name: ${name}`,
      `password: ${password}`,
      '',
      `It works on ${url}, from ${formatNetwork(network)}, until ${end} UTC.`,
      'If you did not ask for it, tell your administrator.',
    ].join('\n'),
  }
}
