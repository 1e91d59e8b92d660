import { parseNetwork } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { GuardEvent } from '../../../server/src/hooks/guard/events.ts'
import type { OpenElement } from '../../../server/src/hooks/guard/flows.ts'
import { HookError } from '../../../server/src/hooks/hook.ts'
import { openCommand } from '../../../server/src/hooks/nftables/elements.ts'
import type { NftRunner } from '../../../server/src/hooks/nftables/nft.ts'
import { NftablesHook } from '../../../server/src/hooks/nftables.ts'
import { ManualClock } from './clock.ts'
import { service } from './service.ts'

const BEAT = 1_000
const CENSUS = 10_000

/** An nft that only remembers: the real one is in test/netns, where nobody can wait so long. */
class FakeNft implements NftRunner {
  readonly written: string[] = []
  /** What is printed of the table; undefined while it is not there. */
  text: string | undefined
  fails: (command: string) => boolean = () => false

  async write(command: string): Promise<void> {
    if (this.fails(command)) throw new HookError('nftables', 'failed', 'nft: as the test wants it')
    this.written.push(command)
    if (command.startsWith('add table')) this.text = RULES
    const [, deleted] = /delete element inet oneknock host_live4 \{ (.*?) \}/.exec(command) ?? []
    if (deleted !== undefined) this.text = this.text && without(this.text, deleted.split(', '))
  }

  open(elements: readonly OpenElement[]): Promise<void> {
    return this.write(openCommand(elements))
  }

  async read(): Promise<string> {
    if (this.text !== undefined) return this.text
    throw new HookError('nftables', 'failed', 'nft: No such file or directory')
  }

  readAll(): Promise<string> {
    return this.read()
  }

  watch(): void {}

  async stop(): Promise<void> {}
}

const listing = (...flows: readonly string[]) => `table inet oneknock {
	set host_live4 {
		type ipv4_addr . inet_proto . inet_service . inet_service${elements(flows)}
	}
}
`
const elements = (flows: readonly string[]) =>
  flows.length === 0
    ? ''
    : `\n\t\telements = { ${flows.map(flow => `${flow} expires 2m`).join(', ')} }`
const RULES = listing()
/** A listing when these are gone, by the names that commands have for them. */
function without(text: string, keys: readonly string[]): string {
  const gone = new Set(keys.map(key => key.replace(' udp ', ' 17 ')))
  const flows = [...text.matchAll(/(\S+ \. 17 \. \d+ \. \d+) expires/g)].map(
    ([, flow = '']) => flow,
  )
  return listing(...flows.filter(flow => !gone.has(flow)))
}

const doorOf = (service: string, network: string) => ({
  service,
  network: parseNetwork(network)!,
  until: 0,
})

/** Time passes; then what it set off is waited for, which partly is real input and output. */
async function pass(ms: number, condition: () => boolean): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
  while (!condition()) await new Promise(resolve => setImmediate(resolve))
}

describe('the table is looked after', () => {
  let nft: FakeNft
  let events: GuardEvent[]
  let hook: NftablesHook

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    nft = new FakeNft()
    events = []
    hook = new NftablesHook({
      services: [
        service('game', {
          ports: [
            { protocol: 'udp', port: 5000 },
            { protocol: 'tcp', port: 5000 },
          ],
        }),
        service('wide', { ports: [{ protocol: 'udp', port: 5000 }] }),
      ],
      allow: [],
      spaPorts: [],
      clock: new ManualClock(),
      report: event => events.push(event),
      nft,
    })
    await hook.start()
  })
  afterEach(async () => {
    await hook.stop()
    vi.useRealTimers()
  })

  const kinds = () => events.map(({ kind }) => kind)

  it('brings back who was live when it was last counted, and was not cut since', async () => {
    let counted = 0
    const readAll = nft.readAll
    nft.readAll = async function (this: FakeNft) {
      counted++
      return readAll.call(this)
    }
    nft.text = listing('192.0.2.1 . 17 . 40000 . 5000', '192.0.2.2 . 17 . 40001 . 5000')
    await pass(CENSUS, () => counted > 0)
    nft.text = undefined
    await hook.cut({ service: 'game', network: parseNetwork('192.0.2.2')!, until: 0 })
    nft.written.length = 0
    await pass(BEAT, () => kinds().includes('guard-restored'))
    expect(nft.written[0]).not.toContain('192.0.2.1')
    expect(nft.written[0]).toContain(
      'add element inet oneknock host_cut4 { 192.0.2.2 . udp . 40001 . 5000 timeout 1h }',
    )
    expect(nft.written.slice(1)).toEqual([
      'add element inet oneknock host_live4 { 192.0.2.1 . udp . 40000 . 5000 timeout 2m }',
    ])
  })

  it('starts without what it is wanted to start with, if one of that is refused', async () => {
    await hook.stop()
    const door = (address: string) => ({
      service: 'game',
      network: parseNetwork(address)!,
      until: new ManualClock().now() + 60_000,
    })
    const [good, bad] = [door('192.0.2.1'), door('192.0.2.66')]
    let refused = 0
    nft.fails = command => command.includes(bad.network.address) && ++refused > 0
    expect(await hook.startWith([good, bad])).toEqual([])
    expect(refused).toBe(1)
    expect(kinds()).toEqual(['guard-up', 'guard-up'])
    await hook.open(good)
    await expect(hook.open(bad)).rejects.toMatchObject({ code: 'failed' })
    // Whatever else is refused is for the caller.
    await hook.stop()
    nft.fails = command => command.startsWith('add table')
    await expect(hook.startWith([good])).rejects.toMatchObject({ code: 'failed' })
  })

  it('is put back until that succeeds, and says once that it does not', async () => {
    nft.text = listing('192.0.2.1 . 17 . 40000 . 5000')
    await hook.cut({ service: 'game', network: parseNetwork('192.0.2.2')!, until: 0 })
    nft.text = undefined
    let failed = 0
    nft.fails = command => command.startsWith('add element') && ++failed > 0
    for (let times = 1; times <= 3; times++) await pass(BEAT, () => failed >= times)
    nft.fails = () => false
    await pass(BEAT, () => kinds().includes('guard-restored'))
    expect(kinds().filter(kind => kind === 'guard-down')).toHaveLength(1)
    expect(nft.written.at(-1)).toContain('192.0.2.1 . udp . 40000 . 5000')
    const settled = events.length
    await pass(3 * BEAT, () => true)
    expect(events).toHaveLength(settled)
  })

  it('is looked at once for all who are cut together', async () => {
    let looks = 0
    const readAll = nft.readAll
    nft.readAll = async function (this: FakeNft) {
      looks++
      return readAll.call(this)
    }
    const flows = Array.from({ length: 2_500 }, (_, i) => `192.0.${i >> 8}.${i & 255}`)
    nft.text = listing(...flows.map(address => `${address} . 17 . 40000 . 5000`))
    nft.written.length = 0
    const cut = flows.slice(0, 2_400)
    await Promise.all(cut.map(address => hook.cut(doorOf('game', address))))
    expect(looks, 'and once more, whether they are gone').toBe(2)
    const commands = nft.written.join()
    const forgotten = [...commands.matchAll(/delete element inet oneknock host_live4 \{(.*?)\}/g)]
    expect(forgotten.flatMap(([, keys = '']) => keys.split(', ').map(key => key.trim()))).toEqual(
      cut.map(address => `${address} . udp . 40000 . 5000`),
    )
    expect(nft.written.length, 'few enough that a door need not wait long').toBe(4)
  })

  it('keeps the flows of whom another opening admits by the time that they would be cut', async () => {
    const looks: (() => void)[] = []
    const readAll = nft.readAll
    nft.readAll = async function (this: FakeNft) {
      await new Promise<void>(resolve => looks.push(resolve))
      return readAll.call(this)
    }
    nft.text = listing('192.0.2.1 . 17 . 40000 . 5000', '192.0.2.2 . 17 . 40001 . 5000')
    const first = hook.cut(doorOf('game', '192.0.2.1'))
    await pass(0, () => looks.length === 1)
    const second = hook.cut(doorOf('game', '192.0.2.2'))
    const until = new ManualClock().now() + 60_000
    await hook.open({ ...doorOf('wide', '192.0.2.2'), until })
    looks[0]!()
    await pass(0, () => looks.length === 2)
    looks[1]!()
    await first
    nft.written.length = 0
    await pass(0, () => looks.length === 3)
    looks[2]!()
    await second
    expect(nft.written).toEqual([])
  })

  it('says once that it cannot be seen', async () => {
    let looks = 0
    nft.read = async () => {
      looks++
      throw new HookError('nftables', 'timeout', 'nft did not answer in time')
    }
    for (let times = 1; times <= 3; times++) await pass(BEAT, () => looks >= times)
    expect(kinds()).toEqual(['guard-up', 'guard-unseen'])
  })

  it('is not looked after any more when the daemon stops', async () => {
    await hook.stop()
    expect(vi.getTimerCount()).toBe(0)
    nft.text = undefined
    await pass(CENSUS, () => true)
    expect(nft.text).toBeUndefined()
    expect(kinds()).toEqual(['guard-up'])
  })
})
