import type { ValidationSettings } from '../core/directory.ts'
import type { Validation } from '../core/factors.ts'
import type { Validate } from '../validating.ts'
import { formatQuery, isSigned, parseAnswer, parseApiKey } from './protocol.ts'

/** All of it: half of the time after which a client gives up, so that the verdict reaches one that began late. */
const ALL_MS = 4_000
/** How long a server may take before the next one is asked as well. */
const NEXT_MS = 1_000
/** An answer has some 200 bytes. */
const ANSWER_MAX = 4_096
/** The protocol wants 16 to 40 letters and digits. */
const NONCE_BYTES = 16

export interface ValidationParts {
  /** As they are now: a reload may change them. */
  readonly settings: () => ValidationSettings | undefined
  readonly readSecret: (source: ValidationSettings['key']) => string
  readonly random: (bytes: number) => Uint8Array
  /** Why a server gave no valid answer; never with the OTP, the key or the nonce. */
  readonly report: (fault: { readonly server: string; readonly why: string }) => void
  readonly limits?: { readonly all: number; readonly next: number }
}

/** The client of validation protocol 2.0: the first valid answer of any server counts. */
export function validator(parts: ValidationParts): Validate {
  return async otp => {
    const settings = parts.settings()
    if (!settings) return 'unavailable'
    const key = keyOf(settings, parts)
    return key ? firstAnswer(settings, otp, key, parts) : 'unavailable'
  }
}

function keyOf(settings: ValidationSettings, parts: ValidationParts): Uint8Array | undefined {
  try {
    const key = parseApiKey(parts.readSecret(settings.key))
    if (!key) parts.report({ server: '', why: 'the API key is not base64, as it was handed out' })
    return key
  } catch (error) {
    parts.report({ server: '', why: (error as Error).message })
    return undefined
  }
}

/**
 * Asks one server after the other, the next as soon as one failed or is slow: all have the same
 * nonce, so that those which share their memory know it for one request.
 */
async function firstAnswer(
  { servers, clientId }: ValidationSettings,
  otp: string,
  key: Uint8Array,
  { random, report, limits = { all: ALL_MS, next: NEXT_MS } }: ValidationParts,
): Promise<Validation> {
  const asked = { id: `${clientId}`, nonce: Buffer.from(random(NONCE_BYTES)).toString('hex'), otp }
  const query = formatQuery(asked, key)
  const end = new AbortController()
  const all = AbortSignal.any([end.signal, AbortSignal.timeout(limits.all)])
  const under: Promise<Validation | undefined>[] = []
  try {
    for (const server of servers) {
      if (all.aborted) break
      const one = askServer(
        `${server}${server.includes('?') ? '&' : '?'}${query}`,
        asked,
        key,
        all,
      ).catch((error: Error) => {
        if (!end.signal.aborted) report({ server, why: reasonOf(error) })
        return undefined
      })
      under.push(one)
      const answer = await Promise.race([firstOf(under), pause(limits.next, all)])
      if (answer) return answer
    }
    return (await firstOf(under)) ?? 'unavailable'
  } finally {
    end.abort()
  }
}

/** The first that is an answer, or `undefined` once none of them can be one. */
function firstOf(asked: readonly Promise<Validation | undefined>[]) {
  return new Promise<Validation | undefined>(resolve => {
    for (const one of asked) void one.then(answer => answer && resolve(answer))
    void Promise.all(asked).then(() => resolve(undefined))
  })
}

function pause(ms: number, signal: AbortSignal): Promise<undefined> {
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve(undefined), ms)
    timer.unref()
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
}

type Asked = { readonly id: string; readonly nonce: string; readonly otp: string }

/** What that server says of the OTP; throws, in words, if it is no answer to this. */
async function askServer(
  url: string,
  { nonce, otp }: Asked,
  key: Uint8Array,
  signal: AbortSignal,
): Promise<Validation> {
  const response = await fetch(url, { signal, redirect: 'error' })
  const answer = parseAnswer(await readText(response))
  if (!answer) throw new NoAnswer(`answers with HTTP status ${response.status} and no lines`)
  // Before anything of it is believed, a refusal too: a forged one would count as a wrong code.
  if (!isSigned(answer, key)) throw new NoAnswer(`its answer is not signed with our key`)
  if (answer.nonce !== nonce || answer.otp !== otp) {
    throw new NoAnswer(`its answer, ${word(answer.status)}, is not to what was asked`)
  }
  switch (answer.status) {
    case 'OK':
      return 'right'
    case 'BAD_OTP':
      return 'wrong'
    case 'REPLAYED_OTP':
      return 'used'
    default:
      throw new NoAnswer(`answers ${word(answer.status)}`)
  }
}

class NoAnswer extends Error {}

/** For a log: another server's word is anybody's. */
const word = (status = ''): string => (/^[A-Z_]{1,32}$/.test(status) ? status : 'something else')

/** fetch says no more than "fetch failed", and its cause may hold the address with the OTP in it. */
function reasonOf(error: Error): string {
  if (error instanceof NoAnswer) return error.message
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'did not answer in time'
  const { code } = (error.cause ?? {}) as { readonly code?: unknown }
  return typeof code === 'string' ? `cannot be asked (${code})` : 'cannot be asked'
}

async function readText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body ?? []) {
    chunks.push(chunk)
    length += chunk.length
    if (length > ANSWER_MAX) throw new NoAnswer(`answers with more than ${ANSWER_MAX} bytes`)
  }
  return Buffer.concat(chunks).toString('latin1')
}
