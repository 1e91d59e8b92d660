import type { CodeError } from '../codes.ts'
import { EXIT } from '../exit.ts'
import { type Knocker, knockOnce } from '../knocker.ts'
import type { Endpoint } from '../probe.ts'
import { explainFailure, formatAdmitted, report } from '../report.ts'
import { type Finding, failure, fine, warning } from './finding.ts'
import type { Instruments } from './instruments.ts'

/** What only an open door shows: it takes a code. */
export async function* lookBehind(
  knocker: Knocker,
  endpoint: Endpoint | undefined,
  { answers }: Pick<Instruments, 'answers'>,
): AsyncGenerator<Finding> {
  const wasOpen = endpoint !== undefined && (await answers(endpoint))
  const knocked = await knockOnce(knocker)
  if (!knocked.ok) {
    yield noCode(knocked.error)
    return
  }
  const { host, port } = knocker.profile
  const place = { name: knocker.name, host, port, verb: 'open' } as const
  const { exit, line } = report(knocked.value, place)
  if (knocked.value.status !== 'opened') {
    const { what, next } = explainFailure(knocked.value, place)
    yield failure('knock', exit, what, next)
    return
  }
  yield fine('knock', line)
  if (!endpoint) return
  const service = `${endpoint.host} port ${endpoint.port}`
  if (await answers(endpoint)) {
    yield wasOpen
      ? warning(
          'service',
          `${service} answered before the knock as well`,
          'unless an earlier knock had opened it, nothing guards it from here: tell the administrator (oneknockd doctor)',
        )
      : fine('service', `${service} answers now, and did not before`)
    return
  }
  const admitted = formatAdmitted(knocked.value.admitted)
  yield failure(
    'service',
    EXIT.noReply,
    `the door is open for ${admitted}, and ${service} does not answer`,
    'if TCP leaves from another address (carrier NAT, a VPN, a proxy), knock with --address; else the service is down, or another firewall is in the way',
  )
}

const noCode = ({ code, message }: CodeError): Finding =>
  failure(
    'knock',
    code === 'command-failed' ? EXIT.profile : EXIT.usage,
    message,
    'try again with a code',
  )
