import { Box, Text, type TextProps } from 'ink'
import { createContext, type ReactNode, useContext } from 'react'
import { isOpen } from './doors.ts'
import { type Binding, bindingsOf } from './keys.ts'
import type { Mood, Size, State } from './state.ts'
import type { Theme } from './theme.ts'

/** What the screens are put together from. */

/** The frame's own lines: head, rule, note and foot. */
const FRAME_ROWS = 4
/** The frame's, and those of a screen within it. */
export const MARGINS = 4

export interface View {
  readonly state: State
  readonly theme: Theme
}

export const ViewContext = createContext<View | undefined>(undefined)

/** What is drawn, and how: the same for everything on the screen. */
export function useView(): View {
  const view = useContext(ViewContext)
  if (!view) throw new TypeError('there is nothing to draw')
  return view
}

/** One line less than there are: a full screen would scroll. */
const heightOf = ({ rows }: Size): number => Math.max(1, rows - 1)

export const bodyRows = (size: Size): number => Math.max(1, heightOf(size) - FRAME_ROWS)

export function Frame({ title, children }: { title: string; children: ReactNode }) {
  const { state, theme } = useView()
  const { columns } = state.size
  return (
    <Box flexDirection="column" width={columns} height={heightOf(state.size)}>
      <Head title={title} />
      <OneLine {...theme.faint}>{theme.signs.rule.repeat(columns)}</OneLine>
      <Box flexDirection="column" flexGrow={1} flexShrink={1} paddingX={1} overflowY="hidden">
        {children}
      </Box>
      <Said />
      <Foot />
    </Box>
  )
}

function Head({ title }: { title: string }) {
  const { state, theme } = useView()
  const { doors, now, targets } = state
  const open = doors.filter(door => isOpen(door, now)).length
  const status = open > 0 ? `${theme.signs.open} ${open} open` : counted(targets.length, 'target')
  return (
    <Box paddingX={1} flexShrink={0} justifyContent="space-between">
      <OneLine>
        <Text {...theme.title}>oneknock</Text>
        {title && ` ${theme.signs.into} ${title}`}
      </OneLine>
      <Box flexShrink={0} marginLeft={1}>
        <Text {...(open > 0 ? theme.good : theme.faint)}>{status}</Text>
      </Box>
    </Box>
  )
}

function Said() {
  const { state, theme } = useView()
  const { note } = state
  return (
    <Box paddingX={1} height={1} flexShrink={0}>
      {note && <OneLine {...ofMood(theme, note.mood)}>{note.text}</OneLine>}
    </Box>
  )
}

function Foot() {
  const { state, theme } = useView()
  const shown = state.isHelpShown
    ? [{ key: 'any key', label: 'back' }]
    : bindingsOf(state).filter(({ label }) => label !== undefined)
  return (
    <Box paddingX={1} height={1} flexShrink={0} columnGap={3} overflowY="hidden">
      {shown.map(({ key, label }) => (
        <OneLine key={key}>
          <Text {...theme.key}>{nameOfKey(key, theme)}</Text>
          <Text {...theme.faint}>{` ${label}`}</Text>
        </OneLine>
      ))}
    </Box>
  )
}

/** Text that is cut where there is no room for it. */
export function OneLine({ children, ...style }: TextProps) {
  const { theme } = useView()
  return (
    <Box height={1} overflowY="hidden">
      <Text {...style} wrap={theme.cut}>
        {children}
      </Text>
    </Box>
  )
}

export function nameOfKey(key: Binding['key'], theme: Theme): string {
  if (key === 'enter') return theme.signs.enter
  return key === 'escape' ? 'esc' : key
}

export const ofMood = (theme: Theme, mood: Mood) =>
  mood === 'plain' ? theme.faint : mood === 'good' ? theme.good : theme.bad

export function Bar({ part, width }: { part: number; width: number }) {
  const { theme } = useView()
  const full = Math.round(Math.min(1, Math.max(0, part)) * width)
  return (
    <Text>
      <Text {...theme.good}>{theme.signs.full.repeat(full)}</Text>
      <Text {...theme.faint}>{theme.signs.rest.repeat(width - full)}</Text>
    </Text>
  )
}

/** Text in whole words. Ink's own wrapping begins a line with the space that did not fit before. */
export function Paragraph({ text, ...style }: TextProps & { text: string }) {
  const { columns } = useView().state.size
  return <Text {...style}>{wrapped(text, columns - MARGINS).join('\n')}</Text>
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= columns) {
      lines[lines.length - 1] = `${last} ${word}`
    } else lines.push(word)
  }
  return lines
}

export function Cursor() {
  return <Text inverse> </Text>
}

export const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? '' : 's'}`
