import { deriveKeys, openReply, tagOf } from '@oneknock/shared'
import { afterEach, expect, it } from 'vitest'
import type { Judge, Listener } from '../../../server/src/listeners/listener.ts'
import { barrier, type Kit, kit, NOON, type Sent, service, turns } from '../kit.ts'

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
