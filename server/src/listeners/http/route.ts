import type { Address } from '@oneknock/shared'
import type { Origin } from './source.ts'

/** A request as the door's routes see it: whole, and of bounded size. */
export interface WebRequest {
  readonly method: string
  /** As it was sent, without the query: `/approve/abc`. */
  readonly path: string
  readonly query: URLSearchParams
  /** By name in lower case; empty if it is absent. */
  header(name: string): string
  /** Empty, unless something was sent. */
  readonly body: Uint8Array
  readonly origin: Origin
  /** Where it comes from; `undefined` if that cannot be said. */
  readonly source: Address | undefined
}

export interface WebAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

/** Answers what is for it, and leaves the rest to the routes behind it. */
export type Route = (request: WebRequest) => WebAnswer | Promise<WebAnswer> | undefined

/** What everything gets that is not there, and every packet that is not answered. */
export const NOTHING: WebAnswer = { status: 404, body: '' }

/** The fields of a form; empty if it is none. */
export function formOf(request: WebRequest): URLSearchParams {
  const type = request.header('content-type').split(';', 1)[0]!.trim().toLowerCase()
  const isForm = request.method === 'POST' && type === 'application/x-www-form-urlencoded'
  return new URLSearchParams(isForm ? Buffer.from(request.body).toString('utf8') : '')
}

/** Whether a page is wanted, rather than a line for programs such as curl. */
export const wantsPage = (request: WebRequest): boolean =>
  request.header('accept').toLowerCase().includes('text/html')
