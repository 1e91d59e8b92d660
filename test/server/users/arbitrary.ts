import fc from 'fast-check'
import type { Service, User } from '../../../server/src/core/directory.ts'
import { byLabel, device, recoveryCode, totpFactor } from '../../../server/src/users/user.ts'
import type { UsersConfig } from '../../../server/src/users.ts'

const SERVICES = ['ssh', 'wiki', 'a-b']

/** As much of a configuration as users depend on. */
export const CONFIG: UsersConfig = {
  usersFolder: '/etc/oneknock/users',
  services: new Map(SERVICES.map(name => [name, { name } as Service])),
}

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const name = fc.stringMatching(/^[a-z0-9-]{1,32}$/)
const second = fc.integer({ min: 0, max: 4_000_000_000 }).map(seconds => seconds * 1_000)

/** Anybody who can stand in a file. */
export const anyUser: fc.Arbitrary<User> = fc
  .record({
    name,
    services: fc.subarray(SERVICES),
    devices: fc.uniqueArray(fc.tuple(name, bytes(32), second), { selector: ([label]) => label }),
    totp: fc.option(fc.uint8Array({ minLength: 16, maxLength: 64 }), { nil: undefined }),
    recovery: fc.array(fc.tuple(bytes(16), bytes(32))),
    otherAddress: fc.boolean(),
    locked: fc.boolean(),
  })
  .map(({ name, services, devices, totp, recovery, otherAddress, locked }) => ({
    name,
    services,
    devices: devices.map(([label, key, at]) => device(name, label, key, at)).sort(byLabel),
    totp: totp && totpFactor(totp),
    recovery: recovery.map(([salt, hash]) => recoveryCode(salt, hash)),
    otherAddress,
    locked,
  }))
