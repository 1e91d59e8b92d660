import { type Address, type Factor, NO_FACTOR } from '@oneknock/shared'
import type { RadiusClient } from '../../core/radius.ts'
import type { Judge } from '../listener.ts'
import { addressIn } from './address.ts'
import { factorIn, splitPassword, WRONG_CODE } from './credentials.ts'
import { ATTRIBUTE, type Attribute, allOf, CODE } from './packet.ts'
import { matchChap } from './passwords.ts'
import { passedOn, questionFor } from './proxying.ts'
import type { RadiusRequest } from './request.ts'
import type { Upstream } from './upstream.ts'
import * as words from './words.ts'

/** What a request comes to. */
export interface Decision {
  readonly accept: boolean
  /** For the person, in a Reply-Message. */
  readonly words: string
  /** What an upstream server gives along. */
  readonly attributes: readonly Attribute[]
}

/** What the door asks of the rest. */
export interface Beyond {
  readonly judge: Judge
  /** The codes that are right for a user just now; as many for one that there is not. */
  readonly codesOf: (user: string) => readonly string[]
  /** Whether the user has a live grant that covers the address, for one of the services if named. */
  readonly hasGrant: (
    user: string,
    address: Address,
    services: readonly string[] | undefined,
  ) => boolean
}

/** A client with what it takes to talk to it. */
export interface ReadyClient extends RadiusClient {
  readonly secretBytes: Uint8Array
  readonly ask: { readonly upstream: Upstream; readonly secret: Uint8Array } | undefined
}

const reject = (text: string): Decision => ({ accept: false, words: text, attributes: [] })

/** What an Access-Request comes to by the client's mode; `undefined` if nobody can say just now. */
export async function decide(
  request: RadiusRequest,
  client: ReadyClient,
  source: Address,
  beyond: Beyond,
): Promise<Decision | undefined> {
  if (allOf(request.packet, ATTRIBUTE.eapMessage).length > 0) return reject(words.PASSWORD_ONLY)
  const said = addressIn(request.packet, client)
  if (!said && (client.services || client.mode === 'grant')) return reject(words.NO_ADDRESS)
  const asked = { request, client, address: said ?? source, beyond }
  switch (client.mode) {
    case 'code':
      return byCode(asked)
    case 'password+code':
      return byPasswordAndCode(asked)
    case 'password':
      return byPassword(asked)
    case 'grant':
      return byGrant(asked)
  }
}

interface Asked {
  readonly request: RadiusRequest
  readonly client: ReadyClient
  readonly address: Address
  readonly beyond: Beyond
}

async function byCode(asked: Asked): Promise<Decision | undefined> {
  const { password, chap, user } = asked.request
  if (password) return judged(asked, factorIn(password))
  if (!chap) return reject(words.PASSWORD_ONLY)
  // Only an authenticator's codes are few enough to be tried; a token's never come twice.
  const code = matchChap(chap, asked.beyond.codesOf(user))
  return judged(asked, code === undefined ? WRONG_CODE : { kind: 'totp', code })
}

/**
 * The password first: while it is wrong the code is not looked at, so it is neither found out nor
 * used up. Both wrong answers are the same, and leave at the same time.
 */
async function byPasswordAndCode(asked: Asked): Promise<Decision | undefined> {
  const { password } = asked.request
  if (!password) return reject(words.PASSWORD_ONLY)
  const split = splitPassword(password)
  if (!split) return reject(words.NO_CODE)
  const known = await checkUpstream(asked, split.password)
  return known?.accept ? judged(asked, split.factor, known.attributes) : known
}

/** Somebody's yes is the second factor; they are asked only once the password is known to be right. */
async function byPassword(asked: Asked): Promise<Decision | undefined> {
  const known = await checkUpstream(asked, asked.request.password)
  return known?.accept ? judged(asked, NO_FACTOR, known.attributes) : known
}

async function byGrant(asked: Asked): Promise<Decision | undefined> {
  const { request, client, address, beyond } = asked
  const known = client.ask && (await checkUpstream(asked, request.password))
  if (client.ask && !known?.accept) return known
  return beyond.hasGrant(request.user, address, client.services)
    ? { accept: true, words: words.GRANTED, attributes: known?.attributes ?? [] }
    : reject(words.NO_GRANT)
}

/** Whether the upstream servers know this password; `undefined` if none of them answers. */
async function checkUpstream(
  { request, client }: Asked,
  password: Uint8Array | undefined,
): Promise<Decision | undefined> {
  const { upstream, secret } = client.ask!
  const question = questionFor(request, password, secret)
  if (!question) return reject(words.WRONG)
  const answer = await upstream.ask(question)
  if (!answer) return undefined
  // A challenge asks for more than a password, which nobody here could give.
  if (answer.code !== CODE.accessAccept) return reject(words.WRONG)
  return { accept: true, words: '', attributes: passedOn(answer) }
}

async function judged(
  { request: { user }, client, address, beyond }: Asked,
  factor: Factor,
  attributes: readonly Attribute[] = [],
): Promise<Decision | undefined> {
  const verdict = await beyond.judge({
    door: 'radius',
    user,
    factor,
    services: client.services,
    lifetime: 0,
    source: address,
    approval: client.approval && {
      ...client.approval,
      insteadOfCode: client.mode === 'password',
    },
  })
  if (verdict.kind === 'silence') return undefined
  const outcome = (await verdict.settled) ?? verdict.outcome
  const accept = outcome.status === 'opened'
  return { accept, words: words.wordsFor(outcome), attributes: accept ? attributes : [] }
}
