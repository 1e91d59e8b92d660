/** What the commands need before a configuration is read; nothing here takes time to load. */

export const DEFAULT_CONFIG_FILE = '/etc/oneknock/oneknockd.toml'
export const DEFAULT_STATE_FOLDER = '/var/lib/oneknock'
export const DEFAULT_HELPER_SOCKET = '/run/oneknock/helper.sock'

/** What guards the services' ports. */
export const BACKENDS = ['nftables', 'ipset', 'gate', 'exec', 'none'] as const
export type Backend = (typeof BACKENDS)[number]

/** The label of the first device, if nobody gives another. */
export const DEFAULT_DEVICE = 'main'
