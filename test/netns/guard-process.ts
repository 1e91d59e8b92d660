/** Runs in the server's namespace as an unprivileged process with one capability (guard.ts). */
import { systemClock } from '../../server/src/core/clock.ts'
import type { Opening } from '../../server/src/core/openings.ts'
import type { GuardHook } from '../../server/src/hooks/guard.ts'
import type { HookConfig } from '../../server/src/hooks/hook.ts'
import { IpsetHook } from '../../server/src/hooks/ipset.ts'
import { NftablesHook } from '../../server/src/hooks/nftables.ts'
import type { GuardBackend } from './rights.ts'
import { serve } from './rpc.ts'

const HOOKS = { nftables: NftablesHook, ipset: IpsetHook }

let hook: GuardHook

const tell = serve({
  async start(settings: HookConfig, backend: GuardBackend): Promise<void> {
    hook = new HOOKS[backend]({ ...settings, clock: systemClock, report: event => tell(event) })
    await hook.start()
  },
  startWith(settings: HookConfig, backend: GuardBackend, wanted: readonly Opening[]) {
    hook = new HOOKS[backend]({ ...settings, clock: systemClock, report: event => tell(event) })
    return hook.startWith(wanted)
  },
  stop: () => hook.stop(),
  open: opening => hook.open(opening),
  close: opening => hook.close(opening),
  cut: opening => hook.cut(opening),
  list: () => hook.list(),
  configure: (settings: HookConfig) => hook.configure(settings),
})
