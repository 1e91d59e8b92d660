import type { Backend } from '../config/defaults.ts'

export interface FirstConfig {
  readonly public: string
  /** That of `public`: whoever has a router translate it changes one of the two. */
  readonly port: number
  readonly state: string
  readonly backend: Backend
}

/** The file that `init` writes: it works as it stands, and shows what else there is. */
export const firstConfig = (first: FirstConfig): string => `\
# oneknockd. After a change, \`oneknockd check\` says everything that is wrong with it. docs/configuration.md
# of the project has every key.

# Where packets come in, over UDP.
listen = ["[::]:${first.port}"]

# Where clients send them: what invitations say. A name or an address that reaches this host.
public = ${toml(first.public)}

# The ledger: the audit trail, and the daemon's memory.
state = ${toml(first.state)}

# How far a client's clock may be off.
# freshness = "120s"

[firewall]
# nftables: guards the ports below, here and in containers.
# ipset: the same by ipset and iptables, for hosts without nftables.
# gate: this daemon forwards connections itself, and needs no firewall and no root.
# exec: commands of yours open and close.
backend = "${first.backend}"
${SERVICE[first.backend] === PORTS ? ALLOW : ''}
# One table for each service. A name is what people ask for: oneknock knock TARGET NAME
${SERVICE[first.backend]}${HTTP}`

/** A TOML basic string: JSON's escapes are TOML's, but for DEL. */
const toml = (text: string): string => JSON.stringify(text).replaceAll('\x7f', '\\u007f')

const ALLOW = `
# Networks that need not knock. Put one here if you are afraid of locking yourself out.
# allow = ["192.0.2.0/24"]
`

const GATE = `
[services.web]
# Anybody can connect to listen; only who has knocked gets through to forward.
gate = { listen = "0.0.0.0:8443", forward = "127.0.0.1:443" }
lifetime = "10h"

# [services.ssh]
# gate = { listen = "0.0.0.0:2222", forward = "127.0.0.1:22" }
`

const PORTS = `
[services.ssh]
ports = ["tcp/22"]
# Time enough to connect: connections that were made live on.
lifetime = "30s"

# [services.web]
# ports        = ["tcp/8443", "udp/8443"]
# lifetime     = "10h"
# max_lifetime = "1d"                          # what a knock can ask for at most
# max_prefix   = { ipv4 = 24, ipv6 = 64 }      # for a phone whose address wanders
# on_expiry    = "cut"                         # connections end when the time runs out
`

const EXEC = `
[services.backup]
# Programs with their full path, and no shell. They find the address in ONEKNOCK_ADDRESS.
exec = { open = ["/usr/bin/logger", "open"], close = ["/usr/bin/logger", "close"], time_limit = "10s" }
lifetime = "1h"
`

/** Behind a proxy, since it then works as it stands: a certificate of one's own is two files more. */
const HTTP = `
# A page for whoever has no client, and a way for clients whose network lets no UDP out.
# [http]
# listen          = ["127.0.0.1:8975"]           # behind a proxy with TLS; or with tls = { cert = "/…", key = "/…" }
# public          = "https://gate.example.com"   # what invitations and messages say
# trusted_proxies = ["127.0.0.1/32"]
`

const SERVICE: Readonly<Record<Backend, string>> = {
  nftables: PORTS,
  ipset: PORTS,
  gate: GATE,
  exec: EXEC,
  none: GATE,
}
