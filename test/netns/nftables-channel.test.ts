import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseNetwork } from '@oneknock/shared'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from '../../server/src/core/clock.ts'
import type { GuardEvent } from '../../server/src/hooks/guard/events.ts'
import { CHILD_LINES, Channel } from '../../server/src/hooks/nftables/channel.ts'
import { TABLE } from '../../server/src/hooks/nftables/elements.ts'
import { barrier, until } from '../server/kit.ts'
import { describeWithNamespaces } from './lab.ts'
import { holdNamespace, Namespace } from './namespace.ts'

describeWithNamespaces('nftables: one channel to nft', () => {
  let namespace: Namespace
  let folder: string
  let channel: Channel
  let events: GuardEvent[]

  beforeAll(async () => {
    namespace = new Namespace(await holdNamespace())
    folder = mkdtempSync(join(tmpdir(), 'okn-channel-'))
    const note = `echo "$*" >>${join(folder, 'starts')}`
    const script = `#!/bin/sh\n${note}\nexec ${namespace.enter.join(' ')} nft "$@"\n`
    writeFileSync(join(folder, 'nft'), script, { mode: 0o755 })
  })
  beforeEach(async () => {
    await namespace.nft('table inet t { set s { type ipv4_addr; }; }')
    events = []
    const report = (event: GuardEvent) => events.push(event)
    channel = new Channel({
      program: join(folder, 'nft'),
      clock: systemClock,
      report,
      joins: true,
    })
  })
  afterEach(async () => {
    vi.useRealTimers()
    await channel.stop()
    await namespace.nft('flush ruleset')
  })
  afterAll(async () => {
    await namespace.destroy()
    rmSync(folder, { recursive: true })
  })

  /** As the hook asks for it, of a door of ours. */
  const OURS = `${TABLE} host_open4_32`
  const OPEN = `table ${TABLE} { set host_open4_32 {
    type ipv4_addr . inet_proto . inet_service; flags timeout; }; }`
  const open = (address: string, remaining: number, fresh: boolean) => ({
    elements: [
      {
        zone: 'host',
        network: parseNetwork(address)!,
        port: { protocol: 'tcp', port: 22 } as const,
        remaining,
      },
    ],
    at: systemClock.monotonic(),
    fresh,
  })
  /** Of each address its timeout, as it was given. */
  const timeouts = async () => {
    const listed = await namespace.run('nft', 'list', `set ${OURS}`)
    const found = listed.matchAll(/([\d.]+) \. tcp \. 22 timeout (\d+)s/g)
    return Object.fromEntries([...found].map(([, address, seconds]) => [address, Number(seconds)]))
  }

  it('makes what is fresh, and sets the end of what was there all the same', async () => {
    await namespace.nft(OPEN)
    await channel.run(open('192.0.2.1', 9_999, true))
    // Nobody told this process of that one: whoever comes with it is made as well.
    await Promise.all([
      channel.run(open('192.0.2.2', 19_999, true)),
      channel.run(open('192.0.2.1', 29_999, true)),
      channel.run(open('192.0.2.3', 39_999, false)),
    ])
    expect(await timeouts()).toEqual({ '192.0.2.1': 29, '192.0.2.2': 19, '192.0.2.3': 39 })
    await channel.run(open('192.0.2.2', 4_999, true))
    expect(await timeouts()).toMatchObject({ '192.0.2.2': 4 })
    await channel.run(open('192.0.2.2', 0, false))
    expect(Object.keys(await timeouts())).toEqual(['192.0.2.1', '192.0.2.3'])
    await expect(
      namespace
        .nft(`delete table ${TABLE}`)
        .then(() => channel.run(open('192.0.2.9', 9_999, true))),
    ).rejects.toMatchObject({ code: 'failed' })
    expect(events).toEqual([])
  })

  const add = (address: string) => `add element inet t s { ${address} }`
  const inSet = () => namespace.run('nft', 'list', 'set', 'inet', 't', 's')

  it('refuses what is wrong and carries out its neighbours', async () => {
    await channel.run(add('192.0.2.1'))
    const commands = [
      add('192.0.2.2'),
      add('nonsense'),
      'add element inet t gone { 1 }',
      add('192.0.2.3'),
    ]
    const results = await Promise.allSettled(commands.map(command => channel.run(command)))
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ])
    expect((results[2] as PromiseRejectedResult).reason).toMatchObject({
      name: 'HookError',
      code: 'failed',
      message: expect.stringMatching(/^nft: No such file or directory/),
    })
    for (const n of [1, 2, 3]) expect(await inSet()).toContain(`192.0.2.${n}`)
    expect(events).toEqual([])
  })

  it('brings back all that a command prints, however long', async () => {
    const many = Array.from({ length: 20_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
    await channel.run(add(many.join(', ')))
    const printed = await channel.run('list set inet t s')
    expect(printed.match(/10\.0\.\d+\.\d+/g)).toHaveLength(many.length)
    expect(printed).not.toContain('datatype')
  })

  it('gives a long command a process of its own, however many doors the child', async () => {
    await namespace.nft(OPEN)
    writeFileSync(join(folder, 'starts'), '')
    const many = Array.from({ length: 3_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
    await channel.run(add(many.join(', ')))
    await Promise.all(many.map(address => channel.run(open(address, 9_999, false))))
    expect((await inSet()).match(/10\.0\.\d+\.\d+/g)).toHaveLength(many.length)
    expect(Object.keys(await timeouts())).toHaveLength(many.length)
    const starts = readFileSync(join(folder, 'starts'), 'utf8').trim().split('\n')
    expect(starts.sort()).toEqual(['-f -', '-i'])
    await expect(channel.run(add([...many, 'nonsense'].join(', ')))).rejects.toMatchObject({
      code: 'failed',
    })
    expect(events).toEqual([])
  })

  it('leaves no history of what it was told, wherever nft would look for a place', async () => {
    const told = `told_${randomBytes(8).toString('hex')}`
    await channel.run(`add set inet t ${told} { type ipv4_addr; }`)
    await channel.stop()
    for (const folder of ['/', homedir()]) {
      const history = join(folder, '.nft.history')
      expect(existsSync(history) && readFileSync(history).includes(told)).toBe(false)
    }
  })

  it('relieves a child that remembers too much, and nobody notices', async () => {
    const children = () => namespace.run('sh', '-c', 'pgrep --ns $$ --nslist net -x nft || true')
    await channel.run('list tables')
    const first = await children()
    for (let line = 1; line <= CHILD_LINES; line++) await channel.run('list tables')
    await channel.run(add('192.0.2.1'))
    await until(children, found => /^\d+$/.test(found.trim()))
    expect(await children()).not.toBe(first)
    expect(await inSet()).toContain('192.0.2.1')
    expect(events).toEqual([])
  })

  it('stands still while somebody looks, between two lines', async () => {
    // However long it takes them: what it waits for at most is the next test's.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const order: string[] = []
    const noting = (what: string) => () => order.push(what)
    const before = channel.run(add('192.0.2.1')).then(noting('before'))
    await Promise.resolve() // By then it is on its way.
    const [looks, looked] = [barrier(), barrier()]
    const looking = channel.atRest(async () => {
      expect(await inSet()).toContain('192.0.2.1')
      order.push('looks')
      looks.open()
      await looked.wait
    })
    const after = channel.run(add('192.0.2.2')).then(noting('after'))
    await looks.wait
    expect(order).toEqual(['before', 'looks'])
    expect(await inSet()).not.toContain('192.0.2.2')
    looked.open()
    await Promise.all([before, looking, after])
    expect(await inSet()).toContain('192.0.2.2')
    expect(order).toEqual(['before', 'looks', 'after'])
  })

  it('does not wait for ever for who looks', async () => {
    void channel.atRest(() => new Promise(() => {}))
    await channel.run(add('192.0.2.1'))
    await expect(channel.atRest(() => Promise.reject(new Error('blind')))).rejects.toThrow('blind')
    await channel.run(add('192.0.2.2'))
    for (const n of [1, 2]) expect(await inSet()).toContain(`192.0.2.${n}`)
  })

  it('finishes what it was given before it stops, and takes no more', async () => {
    const last = channel.run(add('192.0.2.9'))
    const stopped = channel.stop()
    await expect(channel.run(add('192.0.2.10'))).rejects.toMatchObject({ code: 'unavailable' })
    await Promise.all([last, stopped])
    expect(await inSet()).toContain('192.0.2.9')
    expect(await inSet()).not.toContain('192.0.2.10')
  })

  it('says so when there is no nft to run', async () => {
    const broken = new Channel({
      program: join(folder, 'nowhere'),
      clock: systemClock,
      report: event => events.push(event),
      joins: true,
    })
    await expect(broken.run(add('192.0.2.1'))).rejects.toMatchObject({ code: 'unavailable' })
    await broken.stop()
  })
})
