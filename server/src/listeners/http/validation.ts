import type { Reason } from '@oneknock/shared'
import { parseYubiKeyOtp } from '../../core/yubikey.ts'
import { formatAnswer, isSigned, type Parameters, type Status } from '../../validation/protocol.ts'
import type { Judge } from '../listener.ts'
import type { Route, WebAnswer, WebRequest } from './route.ts'

/** The door's name in the ledger and in the users' budgets. */
const DOOR = 'wsapi'
const PATH = '/wsapi/2.0/verify'
/** As the protocol has it. */
const NONCE = /^[A-Za-z0-9]{16,40}$/
const CLIENT_ID = /^\d{1,10}$/
/** Remembered to tell a request that was repeated from an OTP that was: one of each token, of so many. */
const REMEMBERED_MAX = 10_000

export interface ValidationRouteParts {
  readonly judge: () => Judge | undefined
  /** What each client signs with, by its number. */
  readonly clientKeys: () => ReadonlyMap<string, Uint8Array>
  /** The user of the token that types this public id. */
  readonly ownerOf: (publicId: string) => string | undefined
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number
}

/**
 * Yubico's validation protocol 2.0 for other programs, such as pam_yubico. Only signed requests of
 * known clients are looked at: before that is clear nothing is judged, counted or recorded.
 */
export function validationRoute(parts: ValidationRouteParts): Route {
  const last = new Map<string, string>()
  return request => {
    const isOurs = request.path === PATH && request.method === 'GET' && parts.clientKeys().size > 0
    return isOurs ? answer(request, parts, last) : undefined
  }
}

async function answer(
  { query, source }: WebRequest,
  parts: ValidationRouteParts,
  last: Map<string, string>,
): Promise<WebAnswer> {
  const asked = parametersOf(query)
  const { id = '', nonce = '', otp = '' } = asked ?? {}
  const told = (status: Status, key?: Uint8Array) => page(parts.now(), { otp, nonce }, status, key)
  if (!asked || !CLIENT_ID.test(id)) return told('MISSING_PARAMETER')
  const key = parts.clientKeys().get(id)
  if (!key) return told('NO_SUCH_CLIENT')
  if (!isSigned(asked, key)) return told('BAD_SIGNATURE', key)
  if (!NONCE.test(nonce) || otp === '') return told('MISSING_PARAMETER', key)
  const publicId = parseYubiKeyOtp(otp)?.publicId
  if (!publicId || !source) return told('BAD_OTP', key)
  const verdict = await parts.judge()?.({
    ...{ door: DOOR, user: parts.ownerOf(publicId) ?? '', factor: { kind: 'yubikey', code: otp } },
    ...{ services: undefined, lifetime: 0, source },
  })
  if (verdict?.kind !== 'answer') return told('BACKEND_ERROR', key)
  const { status, reason } = verdict.outcome
  const request = `${nonce} ${otp}`
  if (status !== 'opened') return told(statusOf(reason, last.get(publicId) === request), key)
  remember(last, publicId, request)
  return told('OK', key)
}

/** `undefined` if a name comes twice: it could mean either. */
function parametersOf(query: URLSearchParams): Parameters | undefined {
  const names = [...query.keys()]
  if (new Set(names).size < names.length) return undefined
  const parameters = Object.fromEntries(query)
  // A plus sign of base64 that was not encoded is a space by now.
  return parameters.h ? { ...parameters, h: parameters.h.replaceAll(' ', '+') } : parameters
}

function statusOf(reason: Reason, isRepeated: boolean): Status {
  switch (reason) {
    case 'wrong-factor':
      return 'BAD_OTP'
    case 'factor-used':
      return isRepeated ? 'REPLAYED_REQUEST' : 'REPLAYED_OTP'
    case 'state-unavailable':
      return 'BACKEND_ERROR'
    default:
      return 'OPERATION_NOT_ALLOWED'
  }
}

function remember(last: Map<string, string>, publicId: string, request: string): void {
  last.delete(publicId)
  last.set(publicId, request)
  if (last.size > REMEMBERED_MAX) last.delete(last.keys().next().value!)
}

/** What was asked comes back only in a signed answer: a stranger's words are not repeated. */
function page(
  nowMs: number,
  asked: { readonly otp: string; readonly nonce: string },
  status: Status,
  key: Uint8Array | undefined,
): WebAnswer {
  const isPlain = /^\w*$/.test(asked.otp + asked.nonce)
  const body = formatAnswer(
    { t: timeOf(nowMs), ...(key && isPlain && { ...asked, sl: '100' }), status },
    key,
  )
  return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body }
}

/** `2026-11-28T05:00:00Z0042`: milliseconds come behind the zone. */
const timeOf = (ms: number): string =>
  new Date(ms).toISOString().replace(/\.(\d{3})Z$/, (_, millis) => `Z0${millis}`)
