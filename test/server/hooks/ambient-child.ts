/** Run by exec.test.ts as an unprivileged process that holds an ambient capability. */
import { readFileSync } from 'node:fs'
import { parseNetwork } from '@oneknock/shared'
import { systemClock } from '../../../server/src/core/clock.ts'
import { dropCapabilities } from '../../../server/src/hooks/capabilities.ts'
import { ExecHook } from '../../../server/src/hooks/exec.ts'
import { service } from './service.ts'

let inCommand = ''
const exec = { open: ['/bin/cat', '/proc/self/status'], close: [], timeLimit: 10_000 }
const hook = new ExecHook({
  services: [service('probe', { exec })],
  clock: systemClock,
  log: (_, line) => {
    inCommand += line
  },
})
await hook.start()
const network = parseNetwork('203.0.113.7')!
await hook.open({ service: 'probe', network, until: Date.now() + 60_000 })
await hook.stop()
const withoutSetpriv = await dropCapabilities('/nonexistent').catch(({ message }) => message)
const inDaemon = readFileSync('/proc/self/status', 'utf8')
console.log(JSON.stringify({ inDaemon, inCommand, withoutSetpriv }))
