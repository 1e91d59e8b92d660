import type { Clock } from '../../core/clock.ts'
import { type AskParts, ask } from './asking.ts'
import { type Claim, readClaim, readNamedCode } from './code.ts'
import { LOOK_AGAIN_S } from './limits.ts'
import { html, line, page } from './page.ts'
import { formOf, type Route, type WebAnswer, type WebRequest, wantsPage } from './route.ts'
import type { Waiting } from './waiting.ts'
import {
  BUSY,
  CLOSED,
  ELSEWHERE,
  inOneLine,
  NO_CODE,
  type Told,
  tell,
  UNNAMED_PROXY,
  UNSAID,
} from './words.ts'

export interface DoorParts extends AskParts {
  readonly clock: Clock
  /** The path by which people reach this door: `/`, or that of a proxy in front. */
  readonly base: () => string
  readonly waiting: Waiting
}

/** The page to fill in, and a code in the address for those who type one line. */
export const doorRoutes = (parts: DoorParts): readonly Route[] => [
  request => showForm(request, parts),
  request => takeForm(request, parts),
  request => lookAgain(request, parts),
  request => takeAddress(request, parts),
]

function showForm({ method, path }: WebRequest, parts: DoorParts): WebAnswer | undefined {
  if (path !== '/' || (method !== 'GET' && method !== 'HEAD')) return undefined
  return page({ title: 'Open a door', body: form(parts.base(), '') })
}

function takeForm(
  request: WebRequest,
  parts: DoorParts,
): Promise<WebAnswer> | WebAnswer | undefined {
  if (request.method !== 'POST' || request.path !== '/') return undefined
  const fields = formOf(request)
  const [user, code] = ['user', 'code'].map(name => fields.get(name) ?? '') as [string, string]
  const services = (fields.get('service') ?? '').split(/[\s,]+/).filter(name => name !== '')
  // A touch types into whatever field has the focus.
  const claim = code === '' ? readNamedCode(user, services) : readClaim(user, code, services)
  return claim ? take(request, claim, parts) : show(request, NO_CODE, '', parts)
}

/** `/CODE` or `/CODE/SERVICE`: what a person can type, and what ends up in histories. */
function takeAddress(request: WebRequest, parts: DoorParts): Promise<WebAnswer> | undefined {
  // A browser that fetches ahead, or asks for the headers alone, has nobody's word for it.
  const isAhead = request.header('sec-purpose') !== '' || request.header('purpose') !== ''
  if (request.method !== 'GET' || isAhead) return undefined
  const [code = '', ...services] = pathParts(request.path)
  const claim = readNamedCode(code, services)
  return claim && take(request, claim, parts)
}

function pathParts(path: string): string[] {
  try {
    return path.slice(1).split('/').map(decodeURIComponent)
  } catch {
    return []
  }
}

async function take(request: WebRequest, claim: Claim, parts: DoorParts): Promise<WebAnswer> {
  if (isSteered(request)) return show(request, ELSEWHERE, '', parts)
  if (!request.source) {
    const why = request.origin.kind === 'unnamed-proxy' ? UNNAMED_PROXY : UNSAID
    return show(request, why, claim.user, parts)
  }
  const answer = await ask(claim, request.source, parts)
  if (answer === 'busy') return show(request, BUSY, claim.user, parts)
  if (answer === 'closed') return show(request, CLOSED, claim.user, parts)
  const { outcome, settled } = answer
  if (!settled) return show(request, tell(outcome, parts.clock.now()), claim.user, parts)
  if (wantsPage(request)) return wait(parts.waiting.add(outcome, settled), parts)!
  return show(request, tell(await settled, parts.clock.now()), claim.user, parts)
}

/**
 * Whether the browser says that another site's page had it ask: codes are not guessed from all the
 * addresses of those who look at some page, nor a door opened for them.
 */
const isSteered = ({ header }: WebRequest): boolean => header('sec-fetch-site') === 'cross-site'

/** What became of a try that waits for somebody's yes. */
function lookAgain({ method, path }: WebRequest, parts: DoorParts): WebAnswer | undefined {
  const ticket = method === 'GET' && path.startsWith(WAITING_PATH)
  return ticket ? wait(path.slice(WAITING_PATH.length), parts) : undefined
}

/** A page that asks again by itself until there is an answer. */
function wait(ticket: string, { waiting, base }: DoorParts): WebAnswer | undefined {
  const told = waiting.look(ticket)
  if (!told) return undefined
  if (told.status !== PENDING) return pageOf(told, base(), '')
  const refresh = `${LOOK_AGAIN_S}; url=${base()}${WAITING_PATH.slice(1)}${ticket}`
  return pageOf(told, base(), '', { refresh })
}

const WAITING_PATH = '/waiting/'
/** What `tell` says of what waits. */
const PENDING = 202

const show = (request: WebRequest, told: Told, user: string, { base }: DoorParts): WebAnswer =>
  wantsPage(request) ? pageOf(told, base(), user) : line(told.status, inOneLine(told))

function pageOf(
  { status, title, text, facts }: Told,
  base: string,
  user: string,
  headers: Readonly<Record<string, string>> = {},
): WebAnswer {
  const listed = facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)
  const body = html`${text ? html`<p role="status">${text}</p>` : html`<dl>${listed}</dl>`}
${status === 200 || status === PENDING ? html`` : form(base, user)}`
  return page({ status, title, body, headers })
}

const form = (base: string, user: string) => html`<form method="post" action="${base}">
<label>Name<input name="user" value="${user}" autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false" maxlength="80"${focus(user === '')}></label>
<label>Code, or a touch of your key<input name="code" autocomplete="one-time-code" autocapitalize="none" autocorrect="off" spellcheck="false" maxlength="80"${focus(user !== '')}></label>
<label>What to open (all, if left empty)<input name="service" autocomplete="off" autocapitalize="none" autocorrect="off" spellcheck="false" maxlength="102"></label>
<button>Open</button>
</form>`

const focus = (isNext: boolean) => (isNext ? html` autofocus` : html``)
