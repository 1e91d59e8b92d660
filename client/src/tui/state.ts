import type { Factor, Verb } from '@oneknock/shared'

/** All that the screen shows. The views draw it, `update` makes the next one of it, and nothing else is kept. */
export interface State {
  /** By the wall clock, milliseconds: when the latest event came. */
  readonly now: number
  readonly size: Size
  readonly targets: readonly Target[]
  /** A line for each profile that cannot be read. */
  readonly problems: readonly string[]
  /** Newest last; also those that are closed by now. */
  readonly doors: readonly Door[]
  /** Newest last. */
  readonly history: readonly Entry[]
  readonly list: List
  readonly screen: Screen
  readonly isHelpShown: boolean
  /** Said once, until the next key. */
  readonly note: Note | undefined
  /** What the session is to do now. Another one, or none, ends it. */
  readonly work: Work | undefined
  /** How much work there was: the name of the next. */
  readonly works: number
  /** By target, the time step whose code the server has seen: it works no second time. */
  readonly usedSteps: Readonly<Record<string, number>>
  readonly isOver: boolean
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

/** What is shown of a profile: all but its key. */
export interface Target {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly user: string
  readonly device: string
  readonly services: readonly string[]
  /** Its key is locked with a passphrase, which has not been given in this session. */
  readonly isLocked: boolean
  /** It has a command or a secret of its own for its codes. */
  readonly givesCodes: boolean
  /** What to run when it is open. */
  readonly command: string
}

/** What to knock for; no services: all that the user may open there by default. */
export interface Ask {
  readonly target: string
  readonly services: readonly string[]
}

/** What the server opened in answer to an ask. */
export interface Door {
  readonly ask: Ask
  /** In the server's words: names, and `+2` for two more that did not fit. */
  readonly opened: readonly string[]
  readonly admitted: string
  readonly lifetime: number
  /** By this machine's clock, milliseconds. */
  readonly until: number
  readonly ended?: 'closed' | 'expired'
}

export interface Entry {
  readonly at: number
  readonly ask: Ask
  readonly what: string
  readonly mood: Mood
}

export type Mood = 'good' | 'bad' | 'plain'

export interface Note {
  readonly text: string
  readonly mood: Mood
}

export interface List {
  readonly filter: string
  /** Which of the rows that the filter leaves. */
  readonly at: number
}

export type Screen =
  | { readonly kind: 'targets' }
  | PassphraseScreen
  | CodeScreen
  | KnockingScreen
  | { readonly kind: 'door'; readonly ask: Ask }
  | FailedScreen
  | AddScreen
  /** How many entries up from the newest. */
  | { readonly kind: 'history'; readonly up: number }

export interface PassphraseScreen {
  readonly kind: 'passphrase'
  /** What it is needed for. */
  readonly ask: Ask
  /** As typed; never drawn. */
  readonly text: string
  readonly problem: string | undefined
}

export interface CodeScreen {
  readonly kind: 'code'
  readonly ask: Ask
  /** As typed; never drawn. */
  readonly text: string
  readonly problem: string | undefined
}

export interface KnockingScreen {
  readonly kind: 'knocking'
  readonly ask: Ask
  readonly verb: Verb
  readonly progress: Progress
}

export interface Progress {
  readonly stage: 'code' | 'resolving' | 'asking' | 'pending' | 'next-code'
  /** When that stage began. */
  readonly since: number
  /** The host to find, or who must approve. */
  readonly detail: string
  readonly ways: readonly Way[]
}

/** How the packets fare that go to one address. */
export interface Way {
  readonly server: string
  readonly family: number
  readonly sent: number
  readonly trouble: string | undefined
  readonly isAnswered: boolean
}

export interface FailedScreen {
  readonly kind: 'failed'
  readonly ask: Ask
  readonly verb: Verb
  readonly title: string
  readonly what: string
  readonly next: string
}

export interface AddScreen {
  readonly kind: 'add'
  readonly step: 'invitation' | 'name'
  /** As pasted; a secret, never drawn. */
  readonly text: string
  readonly name: string
  readonly problem: string | undefined
}

/** What only the session can do, since the world takes part in it. */
export type Work = { readonly id: number } & (
  | {
      readonly kind: 'knock'
      readonly ask: Ask
      readonly verb: Verb
      /** What the packet names: to close, what the ask had opened. */
      readonly services: readonly string[]
      readonly code: Code
    }
  | { readonly kind: 'unlock'; readonly target: string; readonly passphrase: string }
  | { readonly kind: 'add'; readonly invitation: string; readonly name: string }
  | { readonly kind: 'copy'; readonly text: string }
  | { readonly kind: 'run'; readonly command: string }
  | { readonly kind: 'suspend' }
)

export type Code =
  | { readonly kind: 'typed'; readonly factor: Factor }
  /** From the target's own source. */
  | { readonly kind: 'own' }
  | { readonly kind: 'none' }

/** Nobody reads further back; a session may last for weeks. */
export const HISTORY_MAX = 200

export interface Profiles {
  readonly targets: readonly Target[]
  readonly problems: readonly string[]
}

/** A session begins with its targets, or, without any, by adding one. */
export function begin(profiles: Profiles, size: Size, now: number): State {
  const isFirst = profiles.targets.length === 0 && profiles.problems.length === 0
  return {
    ...profiles,
    now,
    size,
    doors: [],
    history: [],
    list: { filter: '', at: 0 },
    screen: isFirst ? ADD : { kind: 'targets' },
    isHelpShown: false,
    note: undefined,
    work: undefined,
    works: 0,
    usedSteps: {},
    isOver: false,
  }
}

export const ADD: AddScreen = {
  kind: 'add',
  step: 'invitation',
  text: '',
  name: '',
  problem: undefined,
}
