import { readFileSync } from 'node:fs'
import type { Service } from '../core/directory.ts'
import { leadsOf } from '../core/forwards.ts'
import { type Finding, finding, fine } from './finding.ts'

const SWITCHES = {
  4: { key: 'net.ipv4.ip_forward', file: '/proc/sys/net/ipv4/ip_forward' },
  6: { key: 'net.ipv6.conf.all.forwarding', file: '/proc/sys/net/ipv6/conf/all/forwarding' },
} as const

/** Whether this host hands packets on at all, where a service leads to a host behind it. */
export function forwarding(services: Iterable<Service>): Finding[] {
  const leading = [...services].filter(({ forward }) => forward)
  const found = ([4, 6] as const).flatMap(family => {
    const names = leading
      .filter(service => leadsOf(service).some(lead => lead.family === family))
      .map(({ name }) => name)
    return names.length > 0 ? ofFamily(family, names) : []
  })
  if (leading.length === 0 || found.length > 0) return found
  return [fine('forwarding', 'is on')]
}

/** What forgets the former host of a service that comes to lead elsewhere. */
export function tracking(services: Iterable<Service>, installed: boolean): Finding[] {
  const names = [...services].filter(({ forward }) => forward).map(({ name }) => name)
  if (names.length === 0) return []
  if (installed) return [fine('conntrack', 'is installed')]
  const found = `conntrack is not installed: if ${names.join(', ')} comes to lead elsewhere, who was in before may reach the former host until silence ends the flow`
  return [finding('conntrack', 'warning', found, 'install conntrack')]
}

function ofFamily(family: 4 | 6, names: readonly string[]): Finding[] {
  const { key, file } = SWITCHES[family]
  const value = read(file)
  if (value === '1') return []
  const who = `${names.join(', ')} cannot lead on`
  if (value === undefined) {
    const found = `the kernel does not tell whether it forwards IPv${family}`
    return [finding('forwarding', 'unknown', found, `see sysctl ${key}, or ${who} over it`)]
  }
  const found = `${key} is ${value}, so ${who} over IPv${family}`
  const remedy = `sysctl -w ${key}=1, and write it into /etc/sysctl.d/ too`
  return [finding('forwarding', 'problem', found, remedy)]
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
