import { type Address, contains, type Family, familyOf, formatNetwork } from '@oneknock/shared'
import { EXIT } from '../exit.ts'
import type { KnockResult } from '../outcome.ts'
import { explainClock, explainFailure } from '../report.ts'
import type { Unlocked } from '../unlocking.ts'
import { type Finding, failure, fine, warning } from './finding.ts'
import type { Called, Instruments } from './instruments.ts'

export interface Patient {
  readonly name: string
  readonly profile: Unlocked
}

/** A way to the server in one family. */
interface Way {
  readonly server: Address
  readonly own: Address | undefined
}

interface Answered extends Way {
  readonly result: KnockResult
  /** Where the server saw the packet come from. */
  readonly seen: Address
}

/** All that can be found without a code, in the order in which one thing rests on the other. */
export async function* examine(
  { name, profile }: Patient,
  instruments: Instruments,
): AsyncGenerator<Finding> {
  const { host, port } = profile
  const resolved = await instruments.resolve(host)
  if (!resolved.ok) {
    const next = 'check the name (oneknock show), the network and the resolver'
    yield failure('name', EXIT.noReply, `cannot find ${host} (${resolved.error})`, next)
    return
  }
  yield fine('name', nameLine(host, resolved.value))

  const ways: Way[] = []
  for (const server of firstOfEach(resolved.value)) {
    const own = await instruments.ownTowards(server, port)
    if (own.ok) ways.push({ server, own: own.value })
    yield own.ok ? fine('route', wayLine(server, own.value)) : noRoute(server, own.error)
  }
  if (ways.length === 0 && profile.http === undefined) {
    const next = "check the network, the VPN and this machine's own firewall"
    yield failure('route', EXIT.noReply, `no way to ${host} in any family`, next)
    return
  }

  const calls = await Promise.all(ways.map(({ server }) => instruments.call(server)))
  const answered = ways.flatMap((way, i) => answerOf(way, calls[i]!) ?? [])
  const http = profile.http
  const overHttp = http === undefined ? undefined : await instruments.callOverHttp(http)
  const httpResult = overHttp && isAnswer(overHttp.result) ? overHttp.result : undefined
  for (const [i, { server }] of ways.entries()) {
    const instead = answered.length > 0 ? 'family' : httpResult ? 'http' : undefined
    yield replyFinding(server, calls[i]!, { name, host: server, port }, instead)
  }
  if (http && overHttp) yield httpFinding(http, overHttp, answered.length > 0)
  const first = answered[0]?.result ?? httpResult
  if (!first) return
  yield clockFinding(first)
  yield deviceFinding(first, { name, host, port })
  for (const one of answered) yield await addressFinding(one, profile, instruments)
}

const firstOfEach = (addresses: readonly Address[]): Address[] =>
  addresses.filter(
    (address, i) => addresses.findIndex(other => familyOf(other) === familyOf(address)) === i,
  )

const nameLine = (host: string, addresses: readonly Address[]): string =>
  addresses.join() === host ? `${host} needs no resolving` : `${host} is ${addresses.join(' and ')}`

const familyName = (address: Address): string => `IPv${familyOf(address) satisfies Family}`

const wayLine = (server: Address, own: Address | undefined): string =>
  `${familyName(server)} to ${server} leaves from ${own ?? 'an address of this link only'}`

const noRoute = (server: Address, cause: string): Finding =>
  warning(
    'route',
    `no way to ${server} from here (${cause})`,
    `${familyName(server)} is missing on this network: what connects over it finds no door`,
  )

/** Every reply, whatever it says, tells the server's clock and where the packet came from. */
function answerOf(way: Way, { result }: Called): Answered | undefined {
  if (result.status === 'refused') return { ...way, result, seen: result.source }
  if (result.status === 'closed' && result.address) return { ...way, result, seen: result.address }
  return undefined
}

function replyFinding(
  server: Address,
  { result, roundTripMs }: Called,
  place: { readonly name: string; readonly host: string; readonly port: number },
  instead: 'family' | 'http' | undefined,
): Finding {
  if (result.status === 'closed' || result.status === 'refused') {
    return fine('reply', `${server} answers over UDP after ${Math.ceil(roundTripMs)} ms`)
  }
  if (result.status === 'opened') return fine('reply', `${server} answers`)
  const { what, next } = explainFailure(result, place)
  if (!instead) return failure('reply', EXIT.noReply, what, next)
  if (instead === 'http') {
    const remedy = 'the HTTP door answers, so knocks take three seconds longer on this network'
    return warning('reply', what, remedy)
  }
  return warning(
    'reply',
    what,
    `the other family answers, so clock and key are right: something drops ${familyName(server)} on UDP port ${place.port}, or the server does not listen there`,
  )
}

/** Whether it is the server that answered. */
const isAnswer = ({ status }: KnockResult): boolean =>
  ['closed', 'refused', 'opened'].includes(status)

function httpFinding(url: string, { result, roundTripMs }: Called, hasUdp: boolean): Finding {
  if (isAnswer(result)) {
    return fine('http', `${url} answers after ${Math.ceil(roundTripMs)} ms, if UDP does not`)
  }
  const cause = 'cause' in result ? result.cause : 'nothing that is the server’s'
  const what = `${url} does not answer (${cause})`
  const next =
    'on networks without UDP there is no way in: tell the administrator, or check "http" in the profile'
  return hasUdp ? warning('http', what, next) : failure('http', EXIT.noReply, what, next)
}

function clockFinding(result: KnockResult): Finding {
  const trouble = explainClock(result)
  if (trouble) return warning('clock', trouble.what, trouble.next)
  const offset = 'clockOffsetMs' in result ? result.clockOffsetMs : 0
  return fine('clock', `this machine's clock is within ${secondsOf(offset)} of the server's`)
}

const secondsOf = (ms: number): string => `${Math.max(1, Math.ceil(Math.abs(ms) / 1000))} s`

function deviceFinding(
  result: KnockResult,
  place: { readonly name: string; readonly host: string; readonly port: number },
): Finding {
  if (result.status !== 'refused') return fine('device', 'the server knows this device')
  const { what, next } = explainFailure(result, place)
  return failure('device', EXIT.refused, what, next)
}

async function addressFinding(
  { server, own, seen }: Answered,
  { address }: Unlocked,
  instruments: Instruments,
): Promise<Finding> {
  const again = answerOf({ server, own }, await instruments.call(server))
  if (again && again.seen !== seen) {
    return warning(
      'address',
      `each connection leaves from another address: ${seen}, then ${again.seen} (carrier NAT)`,
      'a door for one address may not be where ssh comes from: ask for a prefix that holds them (--address), knock over IPv6, or use a VPN',
    )
  }
  if (address && familyOf(address.address) === familyOf(seen) && !contains(address, seen)) {
    return warning(
      'address',
      `the server sees ${seen}, and the target's own address is ${formatNetwork(address)}`,
      'unless you mean to open for another machine, take "address" out of the profile',
    )
  }
  if (own === seen) return fine('address', `the server sees ${seen}, this machine's own`)
  return fine(
    'address',
    `the server sees ${seen}, a NAT's: a door opens for everybody behind it (here it is ${own ?? 'unknown'})`,
  )
}
