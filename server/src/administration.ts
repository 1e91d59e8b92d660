import { formatNetwork, type Result } from '@oneknock/shared'
import type { Daemon, Settings } from './compose.ts'
import { type ConfigError, formatConfigError } from './config.ts'
import type { Handle, Request } from './control.ts'
import type { Grant } from './core/grants.ts'

/** Reads the administrator's files anew. */
export type LoadSettings = () => Promise<Result<Settings, ConfigError[]>>

/** What the administrator can ask a running daemon over its socket. */
export function administration(load: LoadSettings): (daemon: Daemon) => Handle {
  return daemon => async request => {
    switch (request.command) {
      case 'status':
        return statusOf(daemon)
      case 'grants':
        return daemon.state.grants.list().map(shown)
      case 'close':
        return closeGrant(daemon, request)
      case 'reload':
        return reload(daemon, load)
      default:
        throw new Error(`this daemon knows no command ${request.command}; is it another version?`)
    }
  }
}

/** All errors in one line, or nothing: the present settings stay if there are any. */
export async function reload(daemon: Daemon, load: LoadSettings): Promise<void> {
  const settings = await load()
  if (!settings.ok) throw new Error(settings.error.map(formatConfigError).join('; '))
  const taken = await daemon.reload(settings.value)
  if (!taken.ok) throw new Error(taken.error.message)
}

const statusOf = ({ state, counters }: Daemon) => ({
  pid: process.pid,
  up_s: Math.round(process.uptime()),
  grants: state.grants.size,
  replay_memory: state.replay.size,
  rss_bytes: process.memoryUsage.rss(),
  packets: counters.read(),
})

const shown = ({ id, user, device, services, networks, until }: Grant) => ({
  grant: id,
  user,
  device,
  services,
  addresses: networks.map(formatNetwork),
  until: new Date(until).toISOString(),
})

function closeGrant({ state, gatekeeper }: Daemon, { grant }: Request): { closed: string } {
  const id = typeof grant === 'string' ? grant : ''
  if (!state.grants.get(id)) throw new Error(`there is no grant ${id}; oneknockd grants lists them`)
  gatekeeper.end(id, 'administrator')
  return { closed: id }
}
