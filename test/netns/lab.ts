import { execFileSync } from 'node:child_process'
import { describe, it } from 'vitest'
import { bundle } from './bundle.ts'
import { Host } from './host.ts'
import { cable, holdNamespace, Namespace } from './namespace.ts'

/*
 * The network, the same for every test. Each box is a network namespace; nothing of it is seen
 * from outside, and nothing is left when the test's process ends.
 *
 *        client                  stranger            each in an IPv4 /24 and an IPv6 /64
 *   10.77.12.2 fd77:0:0:c::2  10.77.13.3 fd77:0:0:d::3   of its own, on one link
 *          │                       │
 *   ───────┴───────────┬───────────┴───────  a switch: 10.77.0.0/16 and fd77::/48
 *                      │
 *               10.77.0.1 fd77::1
 *                   server             forwards between the two links, without translation
 *               10.88.0.1 fd88::1
 *                      │
 *               10.88.0.2 fd88::2
 *                  container           client and stranger have routes to it through server
 */

export interface Lab {
  readonly client: Host
  readonly stranger: Host
  readonly server: Host
  readonly container: Host
  close(): Promise<void>
}

/**
 * Describes tests that need namespaces. Where they cannot be had the tests are skipped, with a line
 * that says why; with CI=true that is a failure. `programs`: what they need beside the lab's own.
 */
export function describeWithNamespaces(
  name: string,
  tests: () => void,
  programs: readonly string[] = [],
): void {
  const missing = missingForNamespaces(programs)
  if (missing.length === 0) {
    describe(name, tests)
  } else if (process.env.CI === 'true') {
    describe(name, () => {
      it('has what it needs', () => {
        throw new Error(`namespace tests cannot run: ${missing.join(', ')}`)
      })
    })
  } else {
    console.warn(`skipped: ${name} (namespace tests need ${missing.join(', ')})`)
    describe.skip(name, tests)
  }
}

const LAB_PROGRAMS = ['nft', 'ip', 'ss', 'unshare', 'nsenter', 'setpriv', 'sysctl']

function missingForNamespaces(programs: readonly string[]): string[] {
  if (process.platform !== 'linux') return ['Linux']
  const missing = [...LAB_PROGRAMS, ...programs].filter(
    program => !succeeds('sh', '-c', `command -v ${program}`),
  )
  if (process.getuid?.() !== 0) missing.push('root')
  else if (missing.length === 0 && !succeeds('unshare', '--net', 'true'))
    missing.push('CAP_SYS_ADMIN')
  return missing
}

function succeeds(program: string, ...args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Takes about half a second: one for each file of tests is enough. */
export async function openLab(): Promise<Lab> {
  const agent = await bundle('agent.ts')
  const [wire, ...hosts] = await Promise.all([
    holdNamespace().then(holder => new Namespace(holder)),
    Host.create('10.77.12.2', 'fd77:0:0:c::2', agent.path),
    Host.create('10.77.13.3', 'fd77:0:0:d::3', agent.path),
    Host.create('10.77.0.1', 'fd77::1', agent.path),
    Host.create('10.88.0.2', 'fd88::2', agent.path),
  ])
  const [client, stranger, server, container] = hosts as [Host, Host, Host, Host]
  await wire.run('ip', 'link', 'add', 'switch', 'type', 'bridge', 'mcast_snooping', '0')
  await wire.run('ip', 'link', 'set', 'switch', 'up')
  for (const [i, host] of [client, stranger, server].entries()) {
    await cable([host, 'eth0'], [wire, `port${i}`])
    await wire.run('ip', 'link', 'set', `port${i}`, 'master', 'switch')
    await host.address('eth0', `${host.v4}/16`, `${host.v6}/48`)
  }
  await cable([server, 'eth1'], [container, 'eth0'])
  await server.address('eth1', '10.88.0.1/24', 'fd88::1/64')
  await container.address('eth0', '10.88.0.2/24', 'fd88::2/64')
  await server.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
  for (const host of [client, stranger]) {
    await host.run('ip', 'route', 'add', '10.88.0.0/24', 'via', server.v4)
    await host.run('ip', 'route', 'add', 'fd88::/64', 'via', server.v6)
  }
  await container.run('ip', 'route', 'add', 'default', 'via', '10.88.0.1')
  await container.run('ip', '-6', 'route', 'add', 'default', 'via', 'fd88::1')
  return {
    client,
    stranger,
    server,
    container,
    close: async () => {
      await Promise.all([wire, ...hosts].map(namespace => namespace.destroy()))
      agent.remove()
    },
  }
}
