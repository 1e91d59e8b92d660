import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAddress } from '@oneknock/shared'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from '../../server/src/core/clock.ts'
import type { Service } from '../../server/src/core/directory.ts'
import { hookConformance } from '../server/hooks/conformance.ts'
import { opening, serviceOn, tcp, udp, useLab } from './fixture.ts'
import { describeWithNamespaces } from './lab.ts'

const PATIENCE = { timeout: 10_000, interval: 20 }
const ssh = serviceOn('ssh', [tcp(22)])
const wiki = serviceOn('wiki', [tcp(80), udp(443)])
const leadsTo = (...ports: number[]): Partial<Service> => {
  const behind = ['10.88.0.2', 'fd88::2'].map(text => parseAddress(text)!)
  const to = behind.flatMap(address => ports.map(port => ({ address, port })))
  return { forward: { to, masquerade: false } }
}
const nas = serviceOn('nas', [tcp(2222)], leadsTo(22))
const vault = serviceOn('vault', [tcp(8080), udp(8443)], { ...leadsTo(80, 443), onExpiry: 'cut' })

describeWithNamespaces('nftables: commands for nft', () => {
  const fixture = useLab()

  for (const [name, [first, second]] of [
    ['nftables', [ssh, wiki]],
    ['nftables, with ports that lead to a host behind,', [nas, vault]],
  ] as const) {
    hookConformance(
      name,
      async () => {
        const guard = fixture.guard({ services: [first, second] })
        await guard.start()
        return {
          hook: guard,
          clock: systemClock,
          services: [first.name, second.name],
          passTime: until => vi.waitFor(() => expect(Date.now()).toBeGreaterThan(until), PATIENCE),
          cleanup: () => guard.stop(),
        }
      },
      { tolerance: 20 },
    )
  }

  it('keeps services that share a port apart', async () => {
    const both = serviceOn('both', [tcp(22), tcp(80)])
    const guard = fixture.guard({ services: [ssh, both] })
    await guard.start()
    const [short, long] = [opening('ssh', '192.0.2.1', 30_000), opening('both', '192.0.2.1')]
    await guard.open(long)
    expect(await guard.list()).toEqual([long])
    await guard.open(short)
    expect(await guard.list()).toHaveLength(2)
    await guard.close(long)
    expect(await guard.list()).toEqual([short])
  })

  it('keeps users of one service apart', async () => {
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    const alice = { ...opening('ssh', '192.0.2.1', 30_000), user: 'alice' }
    const bob = { ...opening('ssh', '192.0.2.1'), user: 'bob' }
    await guard.open(bob)
    await guard.open(alice)
    await guard.close(bob)
    expect(await guard.list()).toEqual([alice])
    await guard.close(alice)
    expect(await guard.list()).toEqual([])
  })

  it('opens 2,000 doors at once, and spares them a neighbour that nft refuses', async () => {
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    const doors = Array.from({ length: 2_000 }, (_, i) => {
      const network = i % 2 ? `192.0.${i >> 8}.${i & 255}` : `2001:db8::${i.toString(16)}`
      return opening('ssh', network)
    })
    // Longer than the kernel can count.
    const endless = { ...opening('ssh', '198.51.100.1'), until: Date.now() + 1e15 }
    const [refused] = await Promise.allSettled([endless, ...doors].map(door => guard.open(door)))
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'failed' } })
    expect((refused as PromiseRejectedResult).reason.message).toContain('out of range')
    expect(await guard.list()).toHaveLength(2_000)
    await Promise.all(doors.map(door => guard.close(door)))
    expect(await guard.list()).toEqual([])
  })

  it('gets over the death of its children, and says so', async () => {
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    const door = opening('ssh', '192.0.2.1')
    for (const pid of guard.children('-i')) process.kill(pid, 'SIGKILL')
    await guard.open(door)
    expect(await guard.list()).toEqual([door])
    await vi.waitFor(() => {
      expect(guard.kinds().filter(kind => kind === 'child-died')).toHaveLength(2)
    }, PATIENCE)
    await guard.open(door)
    // The one that looks after the table is not needed before the next heartbeat.
    await vi.waitFor(() => expect(guard.children('-i')).toHaveLength(2), PATIENCE)
    expect(guard.kinds()).not.toContain('guard-lost')
  })

  it('leaves no child behind, however it ends', async () => {
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    const children = guard.children('nft')
    expect(children).toHaveLength(3)
    await guard.kill()
    await vi.waitFor(() => {
      for (const pid of children) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    }, PATIENCE)
  })

  it('gives up on a child that hangs, and takes another', async () => {
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    const hung = guard.children('-i')
    for (const pid of hung) process.kill(pid, 'SIGSTOP')
    const door = opening('ssh', '192.0.2.1')
    await expect(guard.open(door)).rejects.toMatchObject({ code: 'timeout' })
    await guard.open(door)
    expect(await guard.list()).toEqual([door])
    expect(guard.events).toContainEqual({ kind: 'child-died', message: 'it hung and was ended' })
    await vi.waitFor(() => {
      for (const pid of guard.children('-i')) expect(hung).not.toContain(pid)
    }, PATIENCE)
  })

  it('tells its children nothing of our environment, and of a home where no history can be', async () => {
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    for (const pid of guard.children('-i')) {
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
      const [path, ...others] = environment.filter(Boolean)
      expect(path).toMatch(/^PATH=/)
      expect(others).toEqual(['LC_ALL=C', 'HOME=/dev/null'])
    }
  })

  it('leaves no child when it stops', async () => {
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    const children = guard.children()
    await guard.stop()
    expect(children).toHaveLength(3)
    for (const pid of children) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  it('says what is missing when it may not change the firewall', async () => {
    const guard = fixture.guard({ services: [ssh], capable: false })
    await expect(guard.start()).rejects.toMatchObject({
      name: 'HookError',
      code: 'unavailable',
      message: expect.stringContaining('CAP_NET_ADMIN'),
    })
  })
})

describeWithNamespaces('nftables: an nft without an interactive mode', () => {
  const fixture = useLab()
  let path: string
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'okn-nft-'))
    chmodSync(path, 0o755)
    const real = execFileSync('sh', ['-c', 'command -v nft'], { encoding: 'utf8' }).trim()
    const script = `#!/bin/sh
      case " $* " in *' -i '*) echo "Error: interactive CLI not supported in this build" >&2; exit 1;; esac
      exec ${real} "$@"`
    writeFileSync(join(path, 'nft'), script, { mode: 0o755 })
  })
  afterEach(() => rmSync(path, { recursive: true }))

  it('does all the same, one process at a time', async () => {
    const { client, server } = fixture.lab
    await server.listen('tcp', 22)
    const guard = fixture.guard({ services: [ssh], path })
    await guard.start()
    expect(await client.probe('tcp', server.v4, 22)).toBe('silent')
    const door = opening('ssh', client.v4)
    await guard.open(door)
    expect(await client.reach('tcp', server.v4, 22)).toBe('open')
    expect(await guard.list()).toEqual([door])
    const endless = { ...opening('ssh', '198.51.100.1'), until: Date.now() + 1e15 }
    await expect(guard.open(endless)).rejects.toMatchObject({ code: 'failed' })
    await server.nft('flush ruleset')
    await vi.waitFor(() => expect(guard.kinds()).toContain('guard-restored'), PATIENCE)
    expect(await guard.list()).toEqual([door])
    const message = 'interactive CLI not supported in this build'
    expect(guard.events.filter(({ kind }) => kind === 'one-shot')).toEqual([
      { kind: 'one-shot', message },
      { kind: 'one-shot', message },
    ])
  })
})
