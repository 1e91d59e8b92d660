/** Runs in the server's namespace as an unprivileged process with one capability (guard.ts). */
import { systemClock } from '../../server/src/core/clock.ts'
import type { HookConfig } from '../../server/src/hooks/hook.ts'
import { NftablesHook } from '../../server/src/hooks/nftables.ts'
import { serve } from './rpc.ts'

let hook: NftablesHook

const tell = serve({
  async start(settings: HookConfig): Promise<void> {
    hook = new NftablesHook({ ...settings, clock: systemClock, report: event => tell(event) })
    await hook.start()
  },
  stop: () => hook.stop(),
  open: opening => hook.open(opening),
  close: opening => hook.close(opening),
  cut: opening => hook.cut(opening),
  list: () => hook.list(),
  configure: (settings: HookConfig) => hook.configure(settings),
})
