import { readdir, readFile, readlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Address } from '@oneknock/shared'
import { parseEnd } from '../guard/sockets.ts'

/** Milliseconds for sshd to take its leave; then it is killed. */
const TERM_GRACE = 1_000
/** Milliseconds for what was killed to be gone. */
const KILL_GRACE = 2_000
const POLL_INTERVAL = 20

/**
 * Ends the ssh sessions that this account has from such addresses: false if some would not end.
 * Needs root: nobody else may ask whose sockets an sshd holds, or end it.
 */
export async function endSessions(
  uid: number,
  isFrom: (peer: Address) => boolean,
): Promise<boolean> {
  for (const [signal, grace] of [
    ['SIGTERM', TERM_GRACE],
    ['SIGKILL', KILL_GRACE],
  ] as const) {
    const deadline = performance.now() + grace
    const told = new Set<number>()
    do {
      const sessions = await findSessions(uid, isFrom)
      if (sessions.length === 0) return true
      for (const pid of sessions) if (!told.has(pid)) tell(pid, signal)
      for (const pid of sessions) told.add(pid)
      await delay(POLL_INTERVAL)
    } while (performance.now() < deadline)
  }
  return false
}

/** sshd works for a session in a process of the account's own, which holds the connection. */
async function findSessions(uid: number, isFrom: (peer: Address) => boolean): Promise<number[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async pid => ((await isSession(`/proc/${pid}`, uid, isFrom)) ? Number(pid) : 0)),
  )
  return found.filter(pid => pid !== 0)
}

async function isSession(
  process: string,
  uid: number,
  isFrom: (peer: Address) => boolean,
): Promise<boolean> {
  // Processes come and go meanwhile: what is gone is no session.
  const status = await readFile(`${process}/status`, 'latin1').catch(() => '')
  if (!/^Name:\tsshd/.test(status) || !status.includes(`\nUid:\t${uid}\t`)) return false
  const inodes = await socketsOf(process)
  // As this process sees the network: it may be in another namespace.
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map(name => readFile(`${process}/net/${name}`, 'latin1').catch(() => '')),
  )
  return tables
    .join('')
    .split('\n')
    .some(line => {
      const columns = line.trim().split(/\s+/)
      const peer = parseEnd(columns[2] ?? '')
      return peer !== undefined && inodes.has(columns[9] ?? '') && isFrom(peer.address)
    })
}

async function socketsOf(process: string): Promise<ReadonlySet<string>> {
  const names = await readdir(`${process}/fd`).catch(() => [])
  const links = await Promise.all(
    names.map(name => readlink(`${process}/fd/${name}`).catch(() => '')),
  )
  return new Set(links.flatMap(link => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []))
}

function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
