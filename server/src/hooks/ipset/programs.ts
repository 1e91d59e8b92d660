import { existsSync } from 'node:fs'
import type { Family } from '@oneknock/shared'
import { findProgram, type Ran, run } from '../guard/program.ts'
import { HookError, type HookErrorCode } from '../hook.ts'

/** Milliseconds for one program; 100,000 elements take less than a second. */
const LIMIT = 30_000
/** Seconds to wait for somebody else who changes the rules just now. */
export const LOCK_WAIT = '5'

export const HOOK = 'ipset'

/** What the guard needs of the two programs. Failures are `HookError`s. */
export interface Programs {
  /** Lines for `ipset restore`, with what they print. What is as a line wants it is no error. */
  ipset(lines: readonly string[]): Promise<string>
  /** `ipset list -terse`: all sets of this namespace, without what is in them. */
  headers(): Promise<string>
  save(family: Family, table: string): Promise<string>
  /** All of one table or nothing. */
  restore(family: Family, script: string): Promise<void>
  /** Whether it would be taken. Sets must be there. */
  test(family: Family, script: string): Promise<void>
}

export const systemPrograms: Programs = {
  ipset: async lines => {
    const input = lines.map(line => `${line}\n`).join('')
    return said('ipset', ['-exist', 'restore'], input)
  },
  headers: () => said('ipset', ['-terse', 'list']),
  save: (family, table) => said(`${tables(family)}-save`, ['-t', table]),
  restore: async (family, script) => {
    await said(`${tables(family)}-restore`, ['-w', LOCK_WAIT, '--noflush'], script)
  },
  test: async (family, script) => {
    await said(`${tables(family)}-restore`, ['-w', LOCK_WAIT, '--noflush', '--test'], script)
  },
}

const tables = (family: Family): string => (family === 4 ? 'iptables' : 'ip6tables')

/** Those that this kernel has: where IPv6 is switched off, there is nothing to guard. */
export const familiesHere = (): Family[] => (existsSync('/proc/self/net/if_inet6') ? [4, 6] : [4])

async function said(name: string, args: readonly string[], input = ''): Promise<string> {
  const program = findProgram(name)
  if (!program) throw failure('unavailable', `${name} is not installed: install ipset and iptables`)
  const ran = await run(program, args, LIMIT, input)
  if (ran.kind === 'ended' && ran.status === 0) return ran.stdout
  throw errorOf(name, ran)
}

/** iptables-legacy changes nothing without it, and it is root's. */
const LOCK_CLOSED = /can't open lock file (\S+): Permission denied/

function errorOf(name: string, ran: Ran): HookError {
  if (ran.kind === 'timeout')
    return failure('timeout', `${name} did not end in time and was killed`)
  if (ran.kind === 'gone') return failure('unavailable', `${name} does not run: ${ran.message}`)
  const text = ran.stderr.trim()
  const [, lock] = LOCK_CLOSED.exec(text) ?? []
  if (lock !== undefined) {
    const line = `${name} is iptables-legacy, and may not read its lock ${lock}: install our tmpfiles.d/oneknock-xtables.conf, or write firewall.backend = "nftables"`
    return failure('unavailable', line)
  }
  if (/not permitted|permission denied|must be root|can't open socket/i.test(text)) {
    const line = `${name} may not see or change the firewall: run as root, or with CAP_NET_ADMIN and CAP_NET_RAW`
    return failure('unavailable', line)
  }
  const line = text.split('\n')[0] || `it ended with ${ran.status}`
  return failure('failed', line.startsWith(name) ? line : `${name}: ${line}`)
}

const failure = (code: HookErrorCode, message: string): HookError =>
  new HookError(HOOK, code, message)
