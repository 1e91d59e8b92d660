import { access, constants, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Hands nothing on: neither what is ambient nor what could become so, nor by a setuid program. */
const DROP = ['--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs', '--']

/**
 * What to put before a command so that it does not inherit this process's capabilities: the
 * ambient ones survive execve, and CAP_NET_ADMIN owns the host's network. Empty if there are none;
 * rejects if there are and `setpriv` is not to be found.
 */
export async function dropCapabilities(path: string): Promise<readonly string[]> {
  if (process.platform !== 'linux' || (await ambientCapabilities()) === 0n) return []
  for (const folder of path.split(':')) {
    const program = join(folder, 'setpriv')
    if (await isExecutable(program)) return [program, ...DROP]
  }
  throw new Error(
    'commands would inherit the capabilities of this process, and setpriv, which takes them away, is not installed; install util-linux',
  )
}

async function ambientCapabilities(): Promise<bigint> {
  const status = await readFile('/proc/self/status', 'utf8')
  const [, mask] = /^CapAmb:\s*([0-9a-f]+)$/m.exec(status) ?? []
  if (mask === undefined) throw new Error('/proc/self/status tells no ambient capabilities')
  return BigInt(`0x${mask}`)
}

const isExecutable = (program: string): Promise<boolean> =>
  access(program, constants.X_OK).then(
    () => true,
    () => false,
  )
