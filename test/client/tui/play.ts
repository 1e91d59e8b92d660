import { formatInvitation, type Reason } from '@oneknock/shared'
import type { KnockerEvent } from '../../../client/src/knocker.ts'
import type { KnockResult } from '../../../client/src/outcome.ts'
import type { Happening } from '../../../client/src/tui/session.ts'
import { begin, type Screen, type State, type Target } from '../../../client/src/tui/state.ts'
import { type Event, update } from '../../../client/src/tui/update.ts'
import { KEY } from '../fake-world.ts'

/** The beginning of a minute, and of the life of a code. */
export const NOON = Date.UTC(2026, 10, 22, 12)
export const SIZE = { columns: 80, rows: 24 }

export const target = (name: string, changes: Partial<Target> = {}): Target => ({
  name,
  host: `${name}.example.com`,
  port: 62201,
  user: 'ana',
  device: 'laptop',
  services: ['ssh', 'wiki'],
  isLocked: false,
  givesCodes: false,
  command: `ssh ${name}.example.com`,
  ...changes,
})

export const INVITATION = formatInvitation({
  host: 'nas.example.com',
  port: 62201,
  name: 'nas',
  user: 'ana',
  device: 'laptop',
  key: KEY,
  services: ['files'],
})

/** A session without a terminal, and without a world: a test says what happens, and when. */
export class Play {
  state: State
  now = NOON

  constructor(...targets: readonly Target[]) {
    this.state = begin({ targets, problems: [] }, SIZE, NOON)
  }

  tell(happening: Happening): this {
    this.state = update(this.state, { ...happening, at: this.now } as Event)
    return this
  }

  press(...keys: readonly string[]): this {
    return this.tell({ type: 'pressed', keys })
  }

  /** Letter by letter. */
  type(text: string): this {
    return this.press(...text)
  }

  paste(text: string): this {
    return this.tell({ type: 'pasted', text })
  }

  pass(seconds: number): this {
    this.now += seconds * 1000
    return this.tell({ type: 'ticked' })
  }

  hear(event: KnockerEvent): this {
    return this.tell({ type: 'heard', work: this.work.id, event })
  }

  end(result: KnockResult): this {
    return this.tell({ type: 'knocked', work: this.work.id, result })
  }

  get work() {
    const { work } = this.state
    if (!work) throw new Error('nothing is to be done')
    return work
  }

  /** The screen, which must be of that kind. */
  screen<K extends Screen['kind']>(kind: K): Extract<Screen, { kind: K }> {
    const { screen } = this.state
    if (screen.kind !== kind) throw new Error(`the screen is ${screen.kind}, not ${kind}`)
    return screen as Extract<Screen, { kind: K }>
  }

  /** From the list to an open door, with a typed code. */
  open(seconds: number, detail = 'ssh wiki', code = '123456'): this {
    return this.press('enter')
      .type(code)
      .press('enter')
      .end(opened(this.now + seconds * 1000, detail))
  }
}

export const opened = (until: number, detail = 'ssh wiki'): KnockResult => ({
  status: 'opened',
  admitted: [],
  lifetime: 1800,
  until,
  grant: '00000000000000aa',
  detail,
  clockOffsetMs: 0,
})

export const refused = (reason: Reason): KnockResult => ({
  status: 'refused',
  reason,
  source: '::' as never,
  detail: '',
  clockOffsetMs: 0,
})
