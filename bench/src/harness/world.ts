import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { KEY_BYTES, TOTP_SECRET_BYTES } from '@oneknock/shared'
import type { User } from '../../../server/src/core/directory.ts'
import { pooledRandom } from '../../../server/src/random.ts'
import { device, formatUser, totpFactor } from '../../../server/src/users/user.ts'

/** A configuration on disk, and all that its users hold. */
export interface World {
  readonly folder: string
  readonly configFile: string
  readonly stateFolder: string
  readonly users: readonly User[]
  /** Where the daemon hears knocks. */
  readonly host: string
  readonly port: number
}

export interface WorldOptions {
  readonly folder: string
  readonly users: number
  readonly devicesPerUser?: number
  /** The TOML of `[services.door]`, and what else the configuration needs. */
  readonly door: string
  readonly backend: 'gate' | 'nftables'
  readonly host?: string
  readonly port: number
}

export const SERVICE = 'door'

export function makeWorld(options: WorldOptions): World {
  const { folder, door, backend, port, host = '127.0.0.1' } = options
  const configFile = join(folder, 'oneknockd.toml')
  const usersFolder = join(folder, 'users')
  mkdirSync(usersFolder, { recursive: true, mode: 0o700 })
  writeFileSync(
    configFile,
    `listen = ["${host}:${port}"]
public = "${host}:${port}"
state = "state"

[firewall]
backend = "${backend}"

[services.${SERVICE}]
${door}
`,
  )
  const users = makeUsers(options)
  for (const user of users) {
    writeFileSync(join(usersFolder, `${user.name}.toml`), formatUser(user), { mode: 0o600 })
  }
  return { folder, configFile, stateFolder: join(folder, 'state'), users, host, port }
}

/** The same users each time but for their secrets. */
export function makeUsers({
  users,
  devicesPerUser = 1,
}: Pick<WorldOptions, 'users' | 'devicesPerUser'>): User[] {
  const random = pooledRandom()
  const enrolled = Math.floor(Date.now() / 1000) * 1000
  return Array.from({ length: users }, (_, number) => {
    const name = `user-${number}`
    return {
      name,
      services: [SERVICE],
      devices: Array.from({ length: devicesPerUser }, (_, i) =>
        device(name, `device-${i}`, random(KEY_BYTES), enrolled),
      ),
      totp: totpFactor(random(TOTP_SECRET_BYTES)),
      recovery: [],
      otherAddress: true,
      locked: false,
    }
  })
}

/** Ports that nobody uses now, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>(resolve =>
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
        ),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

/** A door of the embedded gate before a service of the bench. */
export const gateDoor = (listen: string, forward: string, lifetime = '1h'): string =>
  `lifetime = "${lifetime}"
gate = { listen = "${listen}", forward = "${forward}" }`
