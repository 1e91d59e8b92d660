import { fail, ok, type Result, TOTP_STEP_MS } from '@oneknock/shared'
import type { Reach } from './asking.ts'
import { type Clock, pause, systemClock } from './clock.ts'
import { type CodeError, type CodeSource, obtainFactor } from './codes.ts'
import type { KnockOptions } from './knock.ts'
import { addressOf, deviceOf, forget, type Place, remember, type Way } from './memory.ts'
import type { KnockEvent, KnockResult, Opened } from './outcome.ts'
import { formatAdmitted } from './report.ts'
import { prepareRuntime } from './runtime.ts'
import type { Unlocked } from './unlocking.ts'

/** All that it takes to knock at a target, as often as need be. */
export interface Knocker {
  readonly name: string
  readonly profile: Unlocked
  /** What to ask for; never a factor. */
  readonly options: KnockOptions
  readonly source: CodeSource
  readonly reach: Reach
  readonly on: (event: KnockerEvent) => void
}

export type KnockerEvent =
  | KnockEvent
  /** The code was used up by another knock of this half minute: it waits for the next. */
  | { readonly type: 'code-used'; readonly waitMs: number }

/** Gets a code, knocks, and remembers what that opened for the runs to come. */
export async function knockOnce(
  knocker: Knocker,
  clock: Clock = systemClock,
): Promise<Result<KnockResult, CodeError>> {
  const result = await attempt(knocker, clock)
  if (!result.ok || !isUsedUp(result.value) || !givesAnother(knocker.source)) return result
  const waitMs = TOTP_STEP_MS - (clock.now() % TOTP_STEP_MS)
  knocker.on({ type: 'code-used', waitMs })
  await pause(clock, waitMs, knocker.options.signal)
  return attempt(knocker, clock)
}

/** Ends what was opened, and forgets as much. Needs no code. */
export async function closeOnce(knocker: Knocker): Promise<KnockResult> {
  const result = await send(knocker, { ...knocker.options, verb: 'close' }, [])
  const place = mayHaveClosed(result) ? placeOf(knocker) : undefined
  if (place) attemptAtMemory(() => forget(place, knocker.options.services ?? []))
  return result
}

/** Where silence is the answer, the packet may have come: better a knock too many than a shut door. */
const mayHaveClosed = ({ status }: KnockResult): boolean =>
  status === 'closed' || status === 'no-reply' || status === 'aborted'

const isUsedUp = (result: KnockResult): boolean =>
  result.status === 'refused' && result.reason === 'factor-used'

const givesAnother = ({ kind }: CodeSource): boolean => kind === 'command' || kind === 'secret'

async function attempt(knocker: Knocker, clock: Clock): Promise<Result<KnockResult, CodeError>> {
  const { name, source, reach, options } = knocker
  if (options.signal?.aborted) return ok({ status: 'aborted' })
  const [factor] = await Promise.all([obtainFactor(source, name, reach), loadSender()])
  if (!factor.ok) return fail(factor.error)
  const ways: Way[] = []
  const result = await send(knocker, { ...options, factor: factor.value }, ways)
  if (result.status === 'opened') rememberDoor(knocker, result, ways, clock)
  return ok(result)
}

/** What sends is not there from the start: it is loaded while a program, or a person, finds the code. */
async function loadSender(): Promise<typeof import('./index.ts')> {
  // By then the program has been started.
  await new Promise(resolve => setImmediate(resolve))
  return import('./index.ts')
}

/** Notes on the way which servers there are, and from where this machine reaches them. */
async function send(knocker: Knocker, options: KnockOptions, ways: Way[]): Promise<KnockResult> {
  const { knock } = await import('./index.ts')
  const { host, port, key, http } = knocker.profile
  const on = (event: KnockEvent) => {
    if (event.type === 'route') ways.push({ server: event.server, own: event.own ?? null })
    knocker.on(event)
  }
  return knock({ host, port, key, ...(http !== undefined && { http }) }, { ...options, on })
}

function rememberDoor(
  knocker: Knocker,
  { until, admitted, detail }: Opened,
  ways: readonly Way[],
  clock: Clock,
): void {
  const place = placeOf(knocker)
  if (!place) return
  const { services = [], address } = knocker.options
  const asked = { services, address: addressOf(address) }
  const told = { opened: detail, admitted: formatAdmitted(admitted) }
  attemptAtMemory(() => remember(place, { ...asked, ...told, madeAt: clock.now(), until, ways }))
}

/** `undefined`: nothing can be kept. The door is as it is all the same; a run that needs to know says why. */
function placeOf({ name, profile }: Knocker): Place | undefined {
  const runtime = prepareRuntime()
  return runtime.ok ? { folder: runtime.value, name, device: deviceOf(profile) } : undefined
}

function attemptAtMemory(write: () => void): void {
  try {
    write()
  } catch {
    // A disk that is full, say: the same holds.
  }
}
