/** Run by authorized-keys-crash.test.ts: opens doors, and is killed before some call of the file system. */
import * as fs from 'node:fs/promises'
import { parseNetwork } from '@oneknock/shared'
import { systemClock } from '../../../server/src/core/clock.ts'
import type { Files } from '../../../server/src/hooks/authorized-keys/folder.ts'
import { AuthorizedKeysHook } from '../../../server/src/hooks/authorized-keys.ts'
import { everybody, permits } from './authorized-keys.ts'

const [file = '', dieBefore = '', key = ''] = process.argv.slice(2)

let calls = 0
function call<T>(work: () => T): T {
  // What the kernel does at once: nothing of this process runs after it.
  if (++calls === Number(dieBefore)) process.kill(process.pid, 'SIGKILL')
  return work()
}

/** Every method of it is one more call. */
const counted = <T extends object>(target: T): T =>
  new Proxy(target, {
    get(on, name) {
      const value = Reflect.get(on, name, on)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => call(() => value.apply(on, args))
    },
  })

const files: Files = {
  open: async (...args) => counted(await call(() => fs.open(...args))),
  rename: (from, to) => call(() => fs.rename(from, to)),
  unlink: path => call(() => fs.unlink(path)),
}

const services = [permits('forwards', file, [{ host: 'mail.internal', port: 993 }])]
const hook = new AuthorizedKeysHook({
  services,
  clock: systemClock,
  log: () => {},
  users: everybody(() => [key]),
  files,
})
await hook.start()
const door = (i: number) => ({
  service: 'forwards',
  user: `user-${i}`,
  network: parseNetwork(`203.0.113.${i}`)!,
  until: Date.now() + 600_000,
})

if (dieBefore !== '') {
  await hook.open(door(1))
  console.log(calls)
} else {
  // Until it is killed: many at once, over and over.
  console.log('busy')
  for (;;) {
    const doors = Array.from({ length: 20 }, (_, i) => door(i + 1))
    await Promise.all(doors.map(one => hook.open(one)))
    await Promise.all(doors.map(one => hook.close(one)))
  }
}
