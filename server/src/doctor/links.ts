import { type Finding, finding, fine } from './finding.ts'

interface Link {
  readonly ifname: string
  readonly xdp?: unknown
  readonly linkinfo?: { readonly info_kind?: string }
}

/** Interfaces of network plugins that hand packets on by eBPF, before or beside netfilter. */
const BESIDE_NETFILTER = /^(cilium|lxc_health|calico_tmp|cali_bpf)/
/** Their packets go from the parent straight to the child. */
const PAST_THE_HOST = ['macvlan', 'ipvlan', 'macvtap']

/** What the guard cannot see here, as `ip -json -details link` tells. */
export function linkFindings(text: string | undefined): Finding[] {
  if (text === undefined) {
    const install = 'install iproute2'
    return [finding('unseen traffic', 'unknown', 'the interfaces cannot be listed', install)]
  }
  const found = (JSON.parse(text) as Link[]).flatMap(ofLink)
  return found.length > 0 ? found : [fine('unseen traffic', 'no interface passes by netfilter')]
}

function ofLink({ ifname, xdp, linkinfo }: Link): Finding[] {
  const warn = (found: string, remedy: string) => [
    finding('unseen traffic', 'warning', found, remedy),
  ]
  if (xdp) {
    const found = `${ifname} has an XDP program, which may take packets before the guard sees them`
    return warn(found, `see what it does: ip -details link show dev ${ifname}`)
  }
  if (BESIDE_NETFILTER.test(ifname)) {
    const found = `${ifname} belongs to a network plugin that bypasses netfilter`
    return warn(found, 'guard ports of containers by its own policies')
  }
  const kind = linkinfo?.info_kind ?? ''
  if (PAST_THE_HOST.includes(kind)) {
    const found = `${ifname} is ${kind}: what lives on it is reached past this host's guard`
    return warn(found, 'guard it where it lives, or give it a bridge')
  }
  return []
}
