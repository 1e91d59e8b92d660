import { chmodSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { systemClock } from '../../server/src/core/clock.ts'
import { hookConformance } from '../server/hooks/conformance.ts'
import { serviceOn, tcp, udp, useLab } from './fixture.ts'
import { describeWithNamespaces } from './lab.ts'

const PATIENCE = { timeout: 10_000, interval: 20 }
/** Milliseconds: its sets count in seconds, and a grant never ends early. */
const TOLERANCE = 2_100

const ssh = serviceOn('ssh', [tcp(22)])
const wiki = serviceOn('wiki', [tcp(80), udp(443)])

describeWithNamespaces('ipset', () => {
  const fixture = useLab('ipset')

  hookConformance(
    'ipset',
    async () => {
      const guard = fixture.guard({ services: [ssh, wiki] })
      await guard.start()
      return {
        hook: guard,
        clock: systemClock,
        services: [ssh.name, wiki.name],
        passTime: until => vi.waitFor(() => expect(Date.now()).toBeGreaterThan(until), PATIENCE),
        cleanup: () => guard.stop(),
      }
    },
    { tolerance: TOLERANCE },
  )

  it('leaves no set behind of a configuration that is refused', async () => {
    const { server } = fixture.lab
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    const names = () => server.run('ipset', 'list', '-name')
    const before = await names()
    const impossible = serviceOn('impossible', [tcp(70_000)])
    await expect(guard.configure({ services: [ssh, impossible] })).rejects.toThrow('70000')
    expect(await names()).toBe(before)
  })

  it('says what iptables-legacy needs, where it may not have it', async () => {
    const { server } = fixture.lab
    const folder = mkdtempSync(join(tmpdir(), 'okn-legacy-'))
    chmodSync(folder, 0o755)
    for (const kind of ['iptables', 'ip6tables']) {
      for (const verb of ['save', 'restore']) {
        symlinkSync(`/usr/sbin/${kind}-legacy-${verb}`, join(folder, `${kind}-${verb}`))
      }
    }
    // A kernel that knows nothing of it any more is reason enough.
    const known = await server.tryRun(['iptables-legacy-save', '-t', 'mangle'])
    const guard = fixture.guard({ services: [ssh], path: folder })
    const words = known.status === 0 ? 'may not read its lock /run/xtables.lock' : 'iptables'
    await expect(guard.start()).rejects.toThrow(words)
    expect(await server.run('ipset', 'list', '-name')).toBe('')
    rmSync(folder, { recursive: true })
  })
}, ['ipset', 'iptables'])
