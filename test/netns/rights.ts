/** The kinds of guard that there are. */
export const GUARD_BACKENDS = ['nftables', 'ipset'] as const
export type GuardBackend = (typeof GUARD_BACKENDS)[number]

/** What each needs besides `nft`, which the lab itself needs. */
export const GUARD_PROGRAMS = { nftables: [], ipset: ['ipset', 'iptables'] } as const

/** nobody and nogroup. */
export const NOBODY = 65534

/** iptables opens a raw socket to ask for the number of a set. */
const RIGHTS = { nftables: '+net_admin', ipset: '+net_admin,+net_raw' }

/** What to put before a command to run it as nobody, with what a kind of guard needs or with nothing. */
export function unprivileged(backend: GuardBackend | undefined): string[] {
  const rights = backend ? `-all,${RIGHTS[backend]}` : '-all'
  return [
    'setpriv',
    ...[`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs'],
    ...[`--inh-caps=${rights}`, `--ambient-caps=${rights}`, `--bounding-set=${rights}`, '--'],
  ]
}
