import { expect } from 'vitest'
import { type Config, formatConfigError, parseConfig } from '../../../server/src/config.ts'

/** Texts of configurations, and what they are read as. */

export const FILE = '/etc/oneknock/oneknockd.toml'

export const HEAD = 'public = "gate.example.com"\nfirewall.backend = "nftables"\n'
/** One line in a service that is right otherwise. It stands on line 5. */
export const inService = (line: string): string =>
  `${HEAD}[services.ssh]\nports = ["tcp/22"]\n${line}\n`

export async function good(text: string): Promise<Config> {
  const config = await parseConfig(FILE, text)
  expect(config.ok ? [] : config.error.map(formatConfigError)).toEqual([])
  if (!config.ok) throw new Error('not reached')
  return config.value
}

/** Every error as people read it, without the file's name. */
export async function complaints(text: string): Promise<string[]> {
  const config = await parseConfig(FILE, text)
  return config.ok ? [] : config.error.map(formatConfigError).map(line => line.replace(FILE, ''))
}

/** `key: message` of each. */
export async function problems(text: string): Promise<string[]> {
  const config = await parseConfig(FILE, text)
  return config.ok ? [] : config.error.map(({ key, message }) => `${key}: ${message}`)
}
