import { maskNetwork, parseAddress } from '@oneknock/shared'
import fc from 'fast-check'
import type { Service, User, YubiKey } from '../../../server/src/core/directory.ts'
import { byLabel, device, recoveryCode, totpFactor } from '../../../server/src/users/user.ts'
import type { UsersConfig } from '../../../server/src/users.ts'

const SERVICES = ['ssh', 'wiki', 'a-b']

/** As much of a configuration as users depend on. */
export const CONFIG: UsersConfig = {
  usersFolder: '/etc/oneknock/users',
  services: new Map(SERVICES.map(name => [name, { name } as Service])),
  yubikey: { servers: [], clientId: 1, key: { kind: 'file', path: '/etc/oneknock/key' } },
}

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const name = fc.stringMatching(/^[a-z0-9-]{1,32}$/)
const second = fc.integer({ min: 0, max: 4_000_000_000 }).map(seconds => seconds * 1_000)

const modhex = (pairs: number) =>
  fc.stringMatching(new RegExp(`^[cbdefghijklnrtuv]{${2 * pairs}}$`))

const token = (label: string, services: readonly string[]) => {
  const limit = fc.option(fc.subarray([...services]), { nil: undefined })
  return fc
    .tuple(modhex(6), fc.option(fc.tuple(bytes(6), bytes(16)), { nil: undefined }), limit)
    .map(
      ([publicId, secrets, limited]): YubiKey => ({
        ...{ label, publicId },
        ...(secrets ? { privateId: secrets[0], key: secrets[1] } : { online: true as const }),
        ...(limited && { services: limited }),
      }),
    )
}

const schedule = fc.record({
  days: fc.subarray([0, 1, 2, 3, 4, 5, 6]).map(days => new Set(days)),
  from: fc.integer({ min: 0, max: 1439 }),
  until: fc.integer({ min: 1, max: 1440 }),
  zone: fc.constantFrom('UTC', 'Europe/Berlin'),
})

const network = fc
  .tuple(fc.ipV4(), fc.integer({ min: 96, max: 128 }))
  .map(([address, prefix]) => maskNetwork(parseAddress(address)!, prefix))

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'

/** What few users have. */
const extras = (services: readonly string[]) =>
  fc.record(
    {
      yubikeys: fc
        .uniqueArray(name, { minLength: 1, maxLength: 3 })
        .chain(labels => fc.tuple(...labels.map(label => token(label, services))))
        .map(tokens => tokens.sort(byLabel)),
      maxLifetime: fc.integer({ min: 1, max: 24 * 86_400 }),
      schedule,
      networks: fc.array(network),
      sshKeys: fc.constant([KEY]),
      contact: fc.constant({ mail: 'anna@example.com', ntfy: undefined }),
    },
    { requiredKeys: [] },
  )

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
  .chain(user => extras(user.services).map(extra => ({ ...user, extra })))
  .map(({ name, services, devices, totp, recovery, otherAddress, locked, extra }) => ({
    name,
    services,
    devices: devices.map(([label, key, at]) => device(name, label, key, at)).sort(byLabel),
    totp: totp && totpFactor(totp),
    recovery: recovery.map(([salt, hash]) => recoveryCode(salt, hash)),
    otherAddress,
    locked,
    ...extra,
  }))
