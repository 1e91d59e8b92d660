/** What can be wrong with a configuration; stable, for programs. */
export type ConfigErrorCode =
  | 'absent'
  | 'empty'
  | 'unreadable'
  | 'owner'
  | 'mode'
  | 'syntax'
  | 'unknown-key'
  | 'missing'
  | 'value'
  | 'conflict'

/** One thing that is wrong, where it stands, and what would be right. */
export interface ConfigError {
  readonly code: ConfigErrorCode
  readonly file: string
  readonly line?: number
  /** `services.ssh.lifetime` */
  readonly key?: string
  /** What stands there, shortened; absent if nothing does, or if it is a secret. */
  readonly found?: string
  /** What to do about it. */
  readonly message: string
}

export type Path = readonly (string | number)[]

/** A `ConfigError` whose place in the text is still to be found. */
export interface Problem {
  readonly code: ConfigErrorCode
  readonly path: Path
  readonly found?: string
  readonly message: string
}

/** Right by itself, and wrong beside something else. */
export const conflict = (path: Path, message: string): Problem => ({
  code: 'conflict',
  path,
  message,
})

/** One line: `FILE:LINE: KEY: found "soon"; write a duration such as "30s"`. */
export function formatConfigError({ file, line, key, found, message }: ConfigError): string {
  const place = line === undefined ? file : `${file}:${line}`
  const what = found === undefined ? message : `found ${found}; ${message}`
  return key === undefined ? `${place}: ${what}` : `${place}: ${key}: ${what}`
}

/** As TOML writes it: `services.ssh.ports[0]`, quoted where it is no bare key. */
export const formatPath = (path: Path): string =>
  path.reduce<string>((before, step) => {
    if (typeof step === 'number') return `${before}[${step}]`
    const key = /^[\w-]+$/.test(step) ? step : JSON.stringify(step)
    return before === '' ? key : `${before}.${key}`
  }, '')

/** Keys whose values no message ever shows. */
const SECRET_KEYS = new Set(['key', 'secret', 'recovery'])
/** Enough to recognise a value by; an error stays one line on a terminal. */
const FOUND_MAX = 40

/** How an error names what it found; control characters are escaped, since terminals obey them. */
export function describeFound(value: unknown, path: Path): string | undefined {
  if (value === undefined || path.some(key => SECRET_KEYS.has(String(key)))) return undefined
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Date) return 'a date'
  if (typeof value === 'object') return 'a table'
  const text = String(typeof value === 'string' ? JSON.stringify(value) : value)
  return text.length > FOUND_MAX ? `${text.slice(0, FOUND_MAX)}…` : text
}
