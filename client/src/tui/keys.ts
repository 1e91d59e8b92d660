import { CAN_SUSPEND } from '../suspending.ts'
import { findDoor, isOpen } from './doors.ts'
import type { Screen, State } from './state.ts'

/** What a key can mean. Each screen takes those that it knows. */
export type Action =
  | 'up'
  | 'down'
  | 'pageUp'
  | 'pageDown'
  | 'submit'
  | 'back'
  | 'erase'
  | 'clear'
  | 'add'
  | 'history'
  | 'withoutCode'
  | 'extend'
  | 'close'
  | 'copy'
  | 'run'
  | 'help'
  | 'suspend'
  | 'quit'

export interface Binding {
  readonly key: string
  readonly action: Action
  /** For the line at the foot of the screen; absent: known to everybody. */
  readonly label?: string
  /** For the help; absent: as the label. */
  readonly help?: string
  readonly when?: (state: State) => boolean
}

const UP: Binding = { key: 'up', action: 'up' }
const DOWN: Binding = { key: 'down', action: 'down' }
const ERASE: Binding = { key: 'backspace', action: 'erase' }
const CLEAR: Binding = { key: '^u', action: 'clear', help: 'empty the field' }
const BACK: Binding = { key: 'escape', action: 'back', label: 'back' }
const HELP: Binding = { key: '?', action: 'help', label: 'help' }

/** An invitation holds a `?`, and a passphrase may: on a field with something in it, it is just that. */
const HELP_UNLESS_TYPING: Binding = {
  ...HELP,
  when: ({ screen }) =>
    !('text' in screen) || screen.text === '' || (screen.kind === 'add' && screen.step === 'name'),
}

const isShownDoorOpen = ({ screen, doors, now }: State): boolean => {
  const door = screen.kind === 'door' ? findDoor(doors, screen.ask) : undefined
  return door !== undefined && isOpen(door, now)
}
const isShownDoorClosed = (state: State): boolean => !isShownDoorOpen(state)

/** Nowhere to go back to. */
const isFirst = ({ targets, screen }: State): boolean =>
  targets.length === 0 &&
  screen.kind === 'add' &&
  screen.step === 'invitation' &&
  screen.text === ''

/** The keys of each screen. The foot of the screen and the help are made from them. */
const BINDINGS: Readonly<Record<Screen['kind'], readonly Binding[]>> = {
  targets: [
    { key: 'enter', action: 'submit', label: 'open', help: 'open it, or go to what is open' },
    { key: '+', action: 'add', label: 'add', help: 'add a target with an invitation' },
    { key: 'tab', action: 'history', label: 'history', help: 'what happened in this session' },
    HELP,
    { ...BACK, label: 'quit', when: ({ list }) => list.filter === '' },
    { ...BACK, label: 'show all', when: ({ list }) => list.filter !== '' },
    UP,
    DOWN,
    { key: 'pageup', action: 'pageUp' },
    { key: 'pagedown', action: 'pageDown' },
    ERASE,
    CLEAR,
  ],
  code: [
    { key: 'enter', action: 'submit', label: 'knock', help: 'knock with this code' },
    { key: '^n', action: 'withoutCode', label: 'no code', help: 'knock without: some need none' },
    HELP,
    BACK,
    ERASE,
    CLEAR,
  ],
  passphrase: [
    { key: 'enter', action: 'submit', label: 'go on' },
    HELP_UNLESS_TYPING,
    BACK,
    ERASE,
    CLEAR,
  ],
  knocking: [{ ...BACK, label: 'stop', help: 'stop asking; the door may open all the same' }, HELP],
  door: [
    { key: 'e', action: 'extend', label: 'extend', help: 'stay longer: needs the next code' },
    { key: 'c', action: 'close', label: 'close', help: 'close it now', when: isShownDoorOpen },
    { key: 'y', action: 'copy', label: 'copy', help: 'copy the command to the clipboard' },
    { key: 'r', action: 'run', label: 'run', help: 'run the command', when: isShownDoorOpen },
    { key: 'enter', action: 'submit', label: 'open again', when: isShownDoorClosed },
    HELP,
    BACK,
  ],
  failed: [{ key: 'enter', action: 'submit', label: 'try again' }, HELP, BACK],
  add: [
    { key: 'enter', action: 'submit', label: 'go on' },
    HELP_UNLESS_TYPING,
    { ...BACK, when: state => !isFirst(state) },
    { ...BACK, label: 'quit', when: isFirst },
    ERASE,
    CLEAR,
  ],
  history: [UP, DOWN, { key: 'tab', action: 'history' }, HELP, BACK],
}

/** These work everywhere, as they do in every program. */
const EVERYWHERE: readonly Binding[] = [
  { key: '^c', action: 'quit', help: 'quit; what is open stays open' },
  {
    key: '^z',
    action: 'suspend',
    help: 'back to the shell for a while',
    when: ({ work }) => CAN_SUSPEND && work === undefined,
  },
]

export const bindingsOf = (state: State): readonly Binding[] =>
  [...BINDINGS[state.screen.kind], ...EVERYWHERE].filter(({ when }) => when?.(state) ?? true)

/** What a key means on the screen that is shown. */
export const actionOf = (state: State, key: string): Action | undefined =>
  bindingsOf(state).find(binding => binding.key === key)?.action
