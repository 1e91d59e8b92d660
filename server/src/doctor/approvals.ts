import { parseAddress, scopeOf } from '@oneknock/shared'
import { ownCommand } from '../config/command.ts'
import type { ApprovalSettings, ChannelSettings, Directory } from '../core/directory.ts'
import type { HttpSettings } from '../core/http.ts'
import type { RadiusSettings } from '../core/radius.ts'
import { type Finding, finding, fine } from './finding.ts'

export interface AskParts {
  readonly directory: Directory
  readonly delivery: ReadonlyMap<string, ChannelSettings>
  readonly http: HttpSettings | undefined
  readonly radius: RadiusSettings | undefined
}

/** Named in one line; of more, how many there are. */
const NAMED_MOST = 5

/** Whether everybody who will be asked can be, and nobody else can answer. */
export function approvalFindings(parts: AskParts): Finding[] {
  const { directory, delivery, http } = parts
  const { users } = directory
  const askings = askingsOf(parts)
  if (askings.length === 0) return []
  const unknown = new Set<string>()
  const deaf = new Map<string, Set<string>>()
  for (const { approval, services } of askings) {
    const kind = delivery.get(approval.channel)?.kind
    for (const user of users.values()) {
      if (services && !services.some(name => user.services.includes(name))) continue
      const approver = users.get(approval.approver ?? user.name)
      if (!approver || approver.locked) unknown.add(approval.approver ?? user.name)
      else if ((kind === 'mail' || kind === 'ntfy') && !approver.contact?.[kind]) {
        deaf.set(kind, (deaf.get(kind) ?? new Set()).add(approver.name))
      }
    }
  }
  const found = [...missing(unknown), ...[...deaf].map(mute), ...readable(http)]
  return found.length > 0 ? found : [fine('approval', 'everybody who is asked can be reached')]
}

interface Asking {
  readonly approval: ApprovalSettings
  /** Whoever may open one of them can come to be asked about; absent: everybody. */
  readonly services: readonly string[] | undefined
}

function askingsOf({ directory, radius }: AskParts): Asking[] {
  const own = [...directory.services.values()].map(({ name, approval }) => ({
    ...{ approval, services: [name] },
  }))
  return [...own, ...(radius?.clients ?? [])].flatMap(({ approval, services }) =>
    approval ? [{ approval, services }] : [],
  )
}

const missing = (names: ReadonlySet<string>): Finding[] =>
  names.size === 0
    ? []
    : [
        finding(
          'approval',
          'problem',
          `${listed(names)} cannot say yes: locked, or no such user`,
          `see ${ownCommand('user list')}, and approver in the configuration`,
        ),
      ]

const mute = ([kind, names]: readonly [string, ReadonlySet<string>]): Finding =>
  finding(
    'approval',
    'problem',
    `${listed(names)} cannot be asked, so what waits for their yes is refused at once`,
    `add [contact] with ${kind} = "…" to their files, then run: ${ownCommand('reload')}`,
  )

/** Whoever reads a link can say yes. */
function readable(http: HttpSettings | undefined): Finding[] {
  if (!http?.public?.startsWith('http:')) return []
  const { hostname } = new URL(http.public)
  const address = parseAddress(hostname.replace(/^\[|\]$/g, ''))
  if (hostname === 'localhost' || (address && scopeOf(address) === 'loopback')) return []
  const found = `links lead to ${http.public} without TLS: whoever reads the line can say yes`
  const remedy =
    'give [http] a certificate (tls), or put a proxy with one before it, and write https'
  return [finding('approval', 'warning', found, remedy)]
}

function listed(names: ReadonlySet<string>): string {
  const shown = [...names].sort().slice(0, NAMED_MOST).join(', ')
  return names.size > NAMED_MOST ? `${shown} and ${names.size - NAMED_MOST} more` : shown
}
