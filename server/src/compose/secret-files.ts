import type { Result } from '@oneknock/shared'
import type { Config, ConfigError } from '../config.ts'
import type { ChannelSettings, SecretSource } from '../core/directory.ts'
import { tryToRead } from '../secrets.ts'
import { radiusSecrets } from './radius.ts'
import { apiKeys } from './validation.ts'

/** A secret that the configuration names. */
export interface NamedSecret {
  /** Of the table that names it. */
  readonly key: string
  readonly source: SecretSource
  /** Whether it is fit for its purpose; what is wrong is said in words, and never with the secret. */
  readonly read: (source: SecretSource) => Result<unknown, string>
}

/** What is wrong with the files that hold secrets; what the daemon's environment holds it alone knows. */
export function secretErrors(config: Config): ConfigError[] {
  const named = [...radiusSecrets(config), ...apiKeys(config), ...ofOthers(config)]
  return named.flatMap(({ key, source, read }): ConfigError[] => {
    const secret = source.kind === 'file' ? read(source) : undefined
    if (!secret || secret.ok) return []
    return [{ code: 'unreadable', file: config.file, key, message: secret.error }]
  })
}

/** What other machines are shown: any line will do. */
function ofOthers({ delivery, services }: Config): NamedSecret[] {
  const channels = [...delivery].map(
    ([name, channel]) => [`delivery.${name}.${channel.kind}`, secretOf(channel)] as const,
  )
  const routers = [...services.values()].map(
    ({ name, routeros }) => [`services.${name}.routeros`, routeros?.password] as const,
  )
  return [...channels, ...routers].flatMap(([key, source]) =>
    source ? [{ key, source, read: tryToRead }] : [],
  )
}

function secretOf(channel: ChannelSettings): SecretSource | undefined {
  switch (channel.kind) {
    case 'mail':
      return channel.login?.password
    case 'ntfy':
      return channel.token
    case 'webhook':
      return channel.secret
  }
}
