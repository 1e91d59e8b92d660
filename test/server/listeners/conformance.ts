import { deriveKeys, openReply, tagOf } from '@oneknock/shared'
import { afterEach, expect, it } from 'vitest'
import type { Judge, Listener } from '../../../server/src/listeners/listener.ts'
import {
  barrier,
  type Kit,
  type KitOptions,
  kit,
  NOON,
  type Sent,
  service,
  turns,
  until,
  user,
} from '../kit.ts'

/** A listener, and the way a client takes to it. */
export interface Way {
  readonly listener: Listener
  send(datagram: Uint8Array): void
  /** The next thing that came back. */
  next(): Promise<Uint8Array>
  /** What came back that nobody took. */
  rest(): readonly Uint8Array[]
  close(): void
}

/** What every listener that takes packets does with them, whatever carries them. */
export function listenersTakePackets(makeWay: () => Promise<Way>): void {
  let ways: Way[] = []

  async function started(judge?: Judge): Promise<Way & { k: Kit }> {
    const services = [service('ssh', { factor: 'none' }), service('wiki')]
    const k = kit({ services, host: { listensOnLoopback: true } })
    const way = await makeWay()
    ways.push(way)
    await way.listener.start(judge ?? k.gatekeeper.judge)
    return { ...way, k }
  }

  afterEach(async () => {
    for (const way of ways) {
      await way.listener.stop()
      way.close()
    }
    ways = []
  })

  const read = ({ datagram, by }: Sent, reply: Uint8Array) => {
    const opened = openReply(deriveKeys(by.key), tagOf(datagram), reply)
    return opened.ok ? opened.value : undefined
  }

  it('answers a good packet', async () => {
    const { k, send, next } = await started()
    const good = k.packet()
    send(good.datagram)
    const reply = read(good, await next())
    expect(reply).toMatchObject({ status: 'opened', detail: 'ssh' })
    expect(await k.open()).toEqual([`ssh ${reply!.address}`])
  })

  it('is silent to junk of any length, and to what was heard before', async () => {
    const { k, send, next, rest } = await started()
    const good = k.packet()
    send(good.datagram)
    await next()
    for (const length of [0, 1, 255, 256, 257, 1400]) send(new Uint8Array(length).fill(length))
    send(good.datagram)
    send(Buffer.concat([k.packet().datagram, Uint8Array.of(0)]))
    send(k.packet().datagram.subarray(0, 255))
    // The last one is answered: had any of those before it been, that answer would come first.
    const last = k.packet({ verb: 'close', sentAt: NOON + 1 })
    send(last.datagram)
    expect(read(last, await next())).toMatchObject({ status: 'closed' })
    expect(rest()).toEqual([])
    expect(k.counters.read()).toMatchObject({ length: 7, hint: 1, replay: 1, opened: 1, closed: 1 })
  })

  it('answers each in its own time', async () => {
    const { k, send, next } = await started()
    const hook = barrier()
    k.hook.before = (event, { service }) =>
      event === 'open' && service === 'ssh' ? hook.wait : undefined
    const slow = k.packet()
    const quick = k.packet({ verb: 'close', sentAt: NOON - 1 })
    send(slow.datagram)
    send(quick.datagram)
    expect(read(quick, await next())).toMatchObject({ status: 'closed' })
    hook.open()
    expect(read(slow, await next())).toMatchObject({ status: 'opened' })
  })

  it('answers nobody once it is stopped, nor those whose answer was not ready', async () => {
    const heard = barrier()
    const verdict = barrier()
    const { listener, send, rest } = await started(() => {
      heard.open()
      const outcome = {} as never
      return verdict.wait.then(() => ({ kind: 'answer', outcome, reply: new Uint8Array(128) }))
    })
    send(new Uint8Array(256))
    await heard.wait
    await listener.stop()
    verdict.open()
    await turns()
    expect(rest()).toEqual([])
    await listener.stop()
  })

  it('starts again after a stop', async () => {
    const { k, listener, send, next } = await started()
    await listener.stop()
    await listener.start(k.gatekeeper.judge)
    const good = k.packet()
    send(good.datagram)
    expect(read(good, await next())).toMatchObject({ status: 'opened' })
  })
}

/** A door for those who have no packet, and what somebody there is told. */
export interface CodeWay {
  readonly listener: Listener
  /** The services that the door opens are those it asks for, or its own affair. */
  tryCode(user: string, code: string): Promise<'opened' | 'refused'>
  close(): void
}

/** What every door without a key does with codes, whatever carries them. */
export function listenersTakeCodes(makeWay: () => Promise<CodeWay>): void {
  let ways: CodeWay[] = []

  async function started(options: KitOptions = {}): Promise<CodeWay & { k: Kit }> {
    const services = [service('ssh'), service('wiki')]
    const k = kit({ services, host: { listensOnLoopback: true }, ...options })
    const way = await makeWay()
    ways.push(way)
    await way.listener.start(k.gatekeeper.judge)
    return { ...way, k }
  }

  afterEach(async () => {
    for (const way of ways) {
      await way.listener.stop()
      way.close()
    }
    ways = []
  })

  const codeOf = (k: Kit, steps = 0) => k.code(steps).code

  it('takes a right code once, here and over the packet', async () => {
    const { k, tryCode } = await started()
    expect(await tryCode('alice', codeOf(k))).toBe('opened')
    expect(await tryCode('alice', codeOf(k))).toBe('refused')
    expect(await k.send(k.packet({ factor: k.code() }), '127.0.0.1')).toMatchObject({
      reason: 'factor-used',
    })
  })

  it('takes no code that a packet has used', async () => {
    const { k, tryCode } = await started()
    expect(await k.send(k.packet({ factor: k.code() }), '127.0.0.1')).toMatchObject({
      status: 'opened',
    })
    expect(await tryCode('alice', codeOf(k))).toBe('refused')
  })

  it('takes the same code once when it comes twice at a time', async () => {
    const { k, tryCode } = await started()
    const code = codeOf(k)
    const answers = await Promise.all([tryCode('alice', code), tryCode('alice', code)])
    expect(answers.sort()).toEqual(['opened', 'refused'])
  })

  it('locks itself after wrong codes, and never the packet’s door', async () => {
    const { k, tryCode } = await started()
    for (let i = 0; i < 5; i++) expect(await tryCode('alice', '000000')).toBe('refused')
    expect(await tryCode('alice', codeOf(k))).toBe('refused')
    expect(k.lines).toHaveLength(5)
    expect(await k.send(k.packet({ factor: k.code() }), '127.0.0.1')).toMatchObject({
      status: 'opened',
    })
  })

  it('keeps used codes and its lock over a crash', async () => {
    const first = await started()
    const used = codeOf(first.k)
    expect(await first.tryCode('alice', used)).toBe('opened')
    const second = await started({ clock: first.k.clock, ledger: first.k.lines })
    expect(await second.tryCode('alice', used)).toBe('refused')
    for (let i = 0; i < 5; i++) expect(await second.tryCode('alice', '000000')).toBe('refused')
    const third = await started({ clock: first.k.clock, ledger: second.k.lines })
    expect(await third.tryCode('alice', codeOf(third.k, 1))).toBe('refused')
  })

  it('opens nothing, and says so, when it cannot be recorded', async () => {
    const { k, tryCode } = await started()
    k.disk.works = false
    expect(await tryCode('alice', codeOf(k))).toBe('refused')
    expect(await k.open()).toEqual([])
  })

  it('answers nobody before it is on record', async () => {
    const { k, tryCode } = await started()
    const disk = barrier()
    k.disk.gate = disk.wait
    let answered = false
    const answer = tryCode('alice', codeOf(k)).then(told => {
      answered = true
      return told
    })
    await until(
      () => k.counters.read().opened,
      opened => opened === 1,
    )
    for (let i = 0; i < 10; i++) await turns()
    expect(answered).toBe(false)
    expect(await k.open()).toEqual([])
    disk.open()
    expect(await answer).toBe('opened')
  })

  it('opens for nobody that there is not, nor for a locked user', async () => {
    const { k, tryCode } = await started({ users: [user('alice', 1, { locked: true })] })
    expect(await tryCode('alice', codeOf(k))).toBe('refused')
    expect(await tryCode('nobody', codeOf(k))).toBe('refused')
    expect(k.lines).toEqual([])
  })
}
