import { beforeEach, describe, expect, it } from 'vitest'
import { type Happening, Session } from '../../../client/src/tui/session.ts'
import { begin, type State, type Work } from '../../../client/src/tui/state.ts'
import { FakeClock } from '../fake-world.ts'
import { NOON, opened, SIZE, target } from './play.ts'

/** Work that a test does itself. */
interface Given {
  readonly work: Work
  readonly signal: AbortSignal
  readonly tell: (happening: Happening) => void
}

let clock: FakeClock
let given: Given[]
let shown: State[]
let session: Session

beforeEach(() => {
  clock = new FakeClock(NOON + 300)
  given = []
  shown = []
  const state = begin({ targets: [target('home')], problems: [] }, SIZE, clock.now())
  session = new Session(state, clock, async (work, signal, tell) => {
    given.push({ work, signal, tell })
  })
  session.start(state => shown.push(state))
})

const press = (...keys: readonly string[]) => session.tell({ type: 'pressed', keys })
const knock = () => press('enter', '1', '2', '3', '4', '5', '6', 'enter')

describe('a session', () => {
  it('ticks with the seconds of the wall clock', async () => {
    expect(shown).toHaveLength(1)
    await clock.advance(699)
    expect(shown).toHaveLength(1)
    await clock.advance(1)
    expect(shown.map(({ now }) => now)).toEqual([NOON + 300, NOON + 1000])
    await clock.advance(2000)
    expect(shown.at(-1)!.now).toBe(NOON + 3000)
  })

  it('has work done once, and shows what it tells', () => {
    knock()
    expect(given).toHaveLength(1)
    const { work, signal, tell } = given[0]!
    expect(work).toMatchObject({ kind: 'knock', ask: { target: 'home' } })
    expect(signal.aborted).toBe(false)
    tell({ type: 'heard', work: work.id, event: { type: 'resolving', host: 'h' } })
    tell({ type: 'knocked', work: work.id, result: opened(NOON + 60_000) })
    expect(shown.at(-1)!.screen.kind).toBe('door')
    expect(given).toHaveLength(1)
  })

  it('ends work that is given up', () => {
    knock()
    press('escape')
    expect(given[0]!.signal.aborted).toBe(true)
    knock()
    expect(given[1]!.signal.aborted).toBe(false)
    expect(given[1]!.work.id).not.toBe(given[0]!.work.id)
  })

  it('ends with all that it had under way, and shows no more', async () => {
    knock()
    const count = shown.length
    session.end()
    expect(given[0]!.signal.aborted).toBe(true)
    expect(clock.timers).toBe(0)
    given[0]!.tell({ type: 'knocked', work: given[0]!.work.id, result: opened(NOON + 60_000) })
    await clock.advance(5000)
    expect(shown).toHaveLength(count)
  })
})
