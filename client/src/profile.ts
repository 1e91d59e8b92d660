import {
  fail,
  formatNetwork,
  isName,
  NAME_RULE,
  type Network,
  ok,
  parseAddress,
  parseDoorUrl,
  parseNetwork,
  type Result,
} from '@oneknock/shared'
import { quote } from './quote.ts'
import { formatStoredKey, parseStoredKey, type StoredKey } from './stored-key.ts'

/** What the client keeps of one target: one JSON file. */
export interface Profile {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly device: string
  readonly key: StoredKey
  /** What the invitation offered; the server has the last word. */
  readonly services: readonly string[]
  /** Where packets go when UDP meets silence: the address of the server's HTTP door. */
  readonly http?: string
  /** A command line for /bin/sh that prints a code. */
  readonly otpCommand?: string
  /** The authenticator's secret in base32, for machines. With a sealed key it is in the box. */
  readonly totpSecret?: string
  /** What to admit instead of this machine's own addresses. */
  readonly address?: Network
}

/** What is wrong with a profile's text. Never holds a value: it may be the key. */
export interface ProfileProblem {
  /** Which key of the JSON, such as `port` or `key.kind`; absent if it is the whole that is wrong. */
  readonly key?: string
  readonly problem: string
}

const FORMAT = 1
/** A public host name is at most this long (RFC 1035 section 2.3.4). */
const HOST_MAX = 253
const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/
/** More than any sensible command line; a bound on what is printed and run. */
const COMMAND_MAX = 4096
/** RFC 4648 base32 of 10 bytes, the shortest that services hand out, to 64, what HMAC-SHA-1 takes whole. */
const TOTP_SECRET = /^[A-Z2-7]{16,103}$/

const parsed = <T>(value: T | undefined, problem: string): Result<T, ProfileProblem> =>
  value === undefined ? fail({ problem }) : ok(value)

type FieldParser = (value: unknown) => Result<unknown, ProfileProblem>

/** The keys of the file in their order, and what each may hold. */
const FIELDS = {
  version: value => parsed(value === FORMAT ? value : undefined, `must be ${FORMAT}`),
  host: value => parsed(asHost(value), 'must be a host name or an address'),
  port: value => parsed(asPort(value), 'must be a whole number of 1 to 65535'),
  user: value => parsed(asName(value), `must be a name: ${NAME_RULE}`),
  device: value => parsed(asName(value), `must be a name: ${NAME_RULE}`),
  key: parseStoredKey,
  services: value => parsed(asNames(value), `must be a list of names: ${NAME_RULE}`),
  http: value => parsed(asDoorUrl(value), 'must be an address such as "https://gate.example.com"'),
  otp_command: value => parsed(asCommand(value), 'must be one line for /bin/sh'),
  totp_secret: value => parsed(asTotpSecret(value), 'must be an authenticator secret in base32'),
  address: value => parsed(asNetwork(value), 'must be an address or a prefix: 203.0.113.0/24'),
} satisfies Record<string, FieldParser>

type Field = keyof typeof FIELDS
type Value<F extends Field> = Extract<ReturnType<(typeof FIELDS)[F]>, { ok: true }>['value']
type Fields = { [F in Field]: Value<F> }

const OPTIONAL: readonly Field[] = ['http', 'otp_command', 'totp_secret', 'address']

/** Strict: a key that is missing, unknown or out of its grammar is named, and the first such is the answer. */
export function parseProfile(text: string): Result<Profile, ProfileProblem> {
  const json = parseObject(text)
  if (!json.ok) return json
  const unknown = Object.keys(json.value).find(key => !Object.hasOwn(FIELDS, key))
  if (unknown !== undefined)
    return fail({ problem: `has ${quote(unknown)}, which is no key of a profile` })

  const fields: Partial<Record<Field, unknown>> = {}
  for (const field of Object.keys(FIELDS) as Field[]) {
    const isThere = Object.hasOwn(json.value, field)
    if (!isThere && OPTIONAL.includes(field)) continue
    if (!isThere) return fail({ key: field, problem: 'is missing' })
    const value = FIELDS[field](json.value[field])
    if (!value.ok) {
      const { key, problem } = value.error
      return fail({ key: key === undefined ? field : `${field}.${key}`, problem })
    }
    fields[field] = value.value
  }
  const { host, port, user, device, key, services, http, otp_command, totp_secret, address } =
    fields as Fields
  if (key.kind === 'sealed' && totp_secret !== undefined) {
    return fail({ key: 'totp_secret', problem: 'must not lie open beside a sealed key' })
  }
  return ok({
    host,
    port,
    user,
    device,
    key,
    services,
    ...(http !== undefined && { http }),
    ...(otp_command !== undefined && { otpCommand: otp_command }),
    ...(totp_secret !== undefined && { totpSecret: totp_secret }),
    ...(address !== undefined && { address }),
  })
}

export function formatProfile(profile: Profile): string {
  const { host, port, user, device, key, services, http, otpCommand, totpSecret, address } = profile
  const fields = {
    version: FORMAT,
    host,
    port,
    user,
    device,
    key: formatStoredKey(key),
    services,
    http,
    otp_command: otpCommand,
    totp_secret: totpSecret,
    address: address && formatNetwork(address),
  }
  return `${JSON.stringify(fields, undefined, 2)}\n`
}

function parseObject(text: string): Result<Record<string, unknown>, ProfileProblem> {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? ok(value) : fail({ problem: 'is not a JSON object' })
  } catch (error) {
    return fail({ problem: `is not JSON${lineOf(error as SyntaxError, text)}` })
  }
}

/** Of V8's message only the place: the rest quotes the text, and with it perhaps the key. */
function lineOf({ message }: SyntaxError, text: string): string {
  const position = /at position (\d+)/.exec(message)?.[1]
  if (position === undefined) return ''
  return ` (line ${text.slice(0, Number(position)).split('\n').length})`
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function asHost(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > HOST_MAX) return undefined
  return parseAddress(value) || HOST_NAME.test(value) ? value : undefined
}

const asPort = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535
    ? value
    : undefined

const asName = (value: unknown): string | undefined =>
  typeof value === 'string' && isName(value) ? value : undefined

function asNames(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined
  const names = value.flatMap(item => asName(item) ?? [])
  return names.length === value.length ? names : undefined
}

const asCommand = (value: unknown): string | undefined =>
  typeof value === 'string' && isCommand(value) ? value : undefined

const asDoorUrl = (value: unknown): string | undefined =>
  typeof value === 'string' ? parseDoorUrl(value) : undefined

const asTotpSecret = (value: unknown): string | undefined =>
  typeof value === 'string' && isTotpSecret(value) ? value : undefined

const asNetwork = (value: unknown): Network | undefined =>
  typeof value === 'string' ? parseNetwork(value) : undefined

/** One line for /bin/sh, without what a terminal would obey when it is shown; more goes in a script. */
export const isCommand = (text: string): boolean =>
  text.trim() !== '' && text.length <= COMMAND_MAX && !/[\x00-\x1f\x7f-\x9f]/.test(text)

/** A length that no bytes have means that a character was lost. */
export const isTotpSecret = (text: string): boolean =>
  TOTP_SECRET.test(text) && ![1, 3, 6].includes(text.length % 8)
