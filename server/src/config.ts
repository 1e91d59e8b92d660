import { hostname } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import {
  fail,
  isName,
  NAME_RULE,
  type Network,
  ok,
  parseAddress,
  type Result,
} from '@oneknock/shared'
import * as v from 'valibot'
import { channelSchema } from './config/channels.ts'
import { commandFor } from './config/command.ts'
import { type Backend, DEFAULT_STATE_FOLDER } from './config/defaults.ts'
import type { ConfigError, Path, Problem } from './config/error.ts'
import { readTrusted, type TrustedFile } from './config/files.ts'
import { httpSchema } from './config/http.ts'
import { radiusSchema } from './config/radius.ts'
import { checkRules } from './config/rules.ts'
import * as schema from './config/schema.ts'
import { problemsOf } from './config/tables.ts'
import { isTable, locate, parseToml, type Table } from './config/toml.ts'
import { validationSchema } from './config/validation.ts'
import type { ChannelSettings, Endpoint, Service, ValidationSettings } from './core/directory.ts'
import type { HttpSettings } from './core/http.ts'
import type { RadiusSettings } from './core/radius.ts'

export { type ConfigError, type ConfigErrorCode, formatConfigError } from './config/error.ts'

/** The configuration file, understood. Immutable; a reload makes a new one. */
export interface Config {
  /** Absolute, like every path here. */
  readonly file: string
  readonly listen: readonly Endpoint[]
  /** Where clients send their packets, as invitations say it. */
  readonly public: Endpoint
  /** The folder of the ledger. */
  readonly state: string
  /** One file for each user: `users/` beside the configuration. */
  readonly usersFolder: string
  /** What invitations and authenticators call this server. */
  readonly name: string
  /** Milliseconds that a packet's clock may be off either way. */
  readonly freshness: number
  readonly firewall: Firewall
  /** Whose members may ask the running daemon, beside its own user and root; a name or a number. */
  readonly adminGroup: string | undefined
  /** Where Prometheus finds the numbers; absent: nowhere. */
  readonly metricsAt: Endpoint | undefined
  /** The socket of `oneknockd helper`, which runs commands as other accounts. */
  readonly helperSocket: string
  /** The door for those who cannot send our packet; absent: there is none. */
  readonly http: HttpSettings | undefined
  /** The door for what asks a RADIUS server; absent: there is none. */
  readonly radius: RadiusSettings | undefined
  /** Second ways to people, by the names that services call them. */
  readonly delivery: ReadonlyMap<string, ChannelSettings>
  readonly services: ReadonlyMap<string, Service>
  /** Who is asked about the OTPs of online tokens; absent: nobody has such a token. */
  readonly yubikey: ValidationSettings | undefined
}

export interface Firewall {
  readonly backend: Backend
  /** Never locked out. */
  readonly allow: readonly Network[]
  /** Milliseconds without a living daemon after which the guard lets go; absent: it stays closed. */
  readonly ifDead: number | undefined
}

/** A hundred services with every key fill a tenth of it. */
const CONFIG_FILE: TrustedFile = { secrecy: 'unwritable', most: 1_048_576 }

/** Every error at once, each with its place; nothing but reading happens. */
export async function loadConfig(path: string): Promise<Result<Config, ConfigError[]>> {
  const file = resolve(path)
  const text = readText(file)
  return text.ok ? parseConfig(file, text.value) : fail([text.error])
}

function readText(file: string): Result<string, ConfigError> {
  const text = readTrusted(file, CONFIG_FILE)
  if (text.ok || text.error.code !== 'absent') return text
  return fail({ ...text.error, message: `does not exist; run: ${commandFor(file, 'init')}` })
}

/**
 * The state folder alone, for whoever asks a running daemon or reads its ledger: a slip elsewhere in
 * the file must not keep them from it.
 */
export function loadStateFolder(path: string): Result<string, ConfigError[]> {
  const file = resolve(path)
  const text = readText(file)
  if (!text.ok) return fail([text.error])
  const toml = parseToml(file, text.value)
  if (!toml.ok) return fail([toml.error])
  const { state = DEFAULT_STATE_FOLDER } = toml.value
  if (typeof state === 'string') return ok(resolve(dirname(file), state))
  return fail([{ code: 'value', file, key: 'state', message: 'write the path of a folder' }])
}

/** `users/` lies beside the configuration file, whatever stands in it. */
export const usersFolderOf = (file: string): string => join(dirname(resolve(file)), 'users')

export async function parseConfig(
  file: string,
  text: string,
): Promise<Result<Config, ConfigError[]>> {
  const toml = parseToml(file, text)
  if (!toml.ok) return fail([toml.error])
  if (Object.keys(toml.value).length === 0) {
    const message = `holds no settings; remove it, then run: ${commandFor(file, 'init')}`
    return fail([{ code: 'empty', file, message }])
  }
  const problems: Problem[] = []
  const config = read(file, toml.value, problems)
  return config && problems.length === 0 ? ok(config) : fail(await locate(file, text, problems))
}

/** Reads part by part, so that an error in one hides none in another. */
function read(file: string, table: Table, problems: Problem[]): Config | undefined {
  const part = <S extends v.GenericSchema>(of: S, value: unknown, path: Path) => {
    const result = v.safeParse(of, value)
    if (result.success) return result.output as v.InferOutput<S>
    const found = problemsOf(result.issues)
    problems.push(...found.map(problem => ({ ...problem, path: [...path, ...problem.path] })))
    return undefined
  }
  const root = part(schema.rootSchema, table, [])
  const firewall = part(schema.firewallSchema, table.firewall ?? {}, ['firewall'])
  const admin = part(schema.adminSchema, table.admin ?? {}, ['admin'])
  const metrics = part(schema.metricsSchema, table.metrics ?? {}, ['metrics'])
  const helper = part(schema.helperSchema, table.helper ?? {}, ['helper'])
  const yubikey =
    table.yubikey === undefined ? undefined : part(validationSchema, table.yubikey, ['yubikey'])
  const http = table.http === undefined ? undefined : part(httpSchema, table.http, ['http'])
  const radius =
    table.radius === undefined ? undefined : part(radiusSchema, table.radius, ['radius'])
  const delivery = new Map<string, ChannelSettings>()
  for (const [name, value] of named(table.delivery, 'delivery', problems)) {
    const channel = part(channelSchema, value, ['delivery', name])
    if (channel) delivery.set(name, channel)
  }
  const services = new Map<string, Service>()
  for (const [name, value] of servicesOf(table, problems)) {
    const settings = part(schema.serviceSchema, value, ['services', name])
    if (settings) services.set(name, { name, ...settings })
  }
  const channels = named(table.delivery, 'delivery').map(([name]) => name)
  const parts = {
    listen: root?.listen,
    firewall,
    http,
    radius,
    metricsAt: metrics?.listen,
    services: [...services.values()],
    channels,
  }
  problems.push(...checkRules(parts))
  if (!root || !firewall || !admin || !metrics || !helper) return undefined
  return {
    file,
    listen: root.listen,
    public: root.public,
    state: resolve(dirname(file), root.state),
    usersFolder: usersFolderOf(file),
    name: root.name ?? defaultName(root.public.host, hostname()),
    freshness: root.freshness,
    firewall,
    adminGroup: admin.group,
    metricsAt: metrics.listen,
    helperSocket: helper.socket,
    http,
    radius,
    delivery,
    services,
    yubikey,
  }
}

function servicesOf(table: Table, problems: Problem[]): [string, unknown][] {
  const entries = named(table.services, 'services', problems)
  if (entries.length === 0) {
    const message = 'there are none, so no door; write one, such as [services.ssh]'
    problems.push({ code: 'missing', path: ['services'], message })
  }
  return entries
}

/** The tables of a table, each under a name of the administrator's. */
function named(value: unknown, key: string, problems: Problem[] = []): [string, unknown][] {
  const entries = isTable(value) ? Object.entries(value) : []
  for (const [name] of entries) {
    if (isName(name)) continue
    problems.push({ code: 'value', path: [key, name], message: NAME_RULE })
  }
  return entries
}

/** The first label of what clients dial, or of the host's own name if they dial an address. */
export function defaultName(publicHost: string, host: string): string {
  const labels = parseAddress(publicHost) ? [host] : [publicHost, host]
  const names = labels.map(label => label.split('.', 1)[0]!.toLowerCase())
  return names.find(isName) ?? 'oneknock'
}
