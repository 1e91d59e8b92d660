import { Box, Text, type TextProps } from 'ink'
import type { ReactNode } from 'react'
import { isOpen } from './doors.ts'
import { type Binding, bindingsOf } from './keys.ts'
import type { Mood, Size, State } from './state.ts'
import type { Theme } from './theme.ts'

/** What the screens are put together from. */

/** The frame's own lines: head, rule, note and foot. */
const FRAME_ROWS = 4

export interface View {
  readonly state: State
  readonly theme: Theme
}

/** One line less than there are: a full screen would scroll. */
export const heightOf = ({ rows }: Size): number => Math.max(1, rows - 1)

export const bodyRows = (size: Size): number => Math.max(1, heightOf(size) - FRAME_ROWS)

export function Frame({
  state,
  theme,
  title,
  children,
}: View & { title: string; children: ReactNode }) {
  const { columns } = state.size
  return (
    <Box flexDirection="column" width={columns} height={heightOf(state.size)}>
      <Head state={state} theme={theme} title={title} />
      <Text {...theme.faint}>{theme.signs.rule.repeat(columns)}</Text>
      <Box flexDirection="column" flexGrow={1} paddingX={1} overflowY="hidden">
        {children}
      </Box>
      <Said state={state} theme={theme} />
      <Foot state={state} theme={theme} />
    </Box>
  )
}

function Head({ state, theme, title }: View & { title: string }) {
  const { doors, now, targets } = state
  const open = doors.filter(door => isOpen(door, now)).length
  const status = open > 0 ? `${theme.signs.open} ${open} open` : counted(targets.length, 'target')
  return (
    <Box paddingX={1} justifyContent="space-between">
      <Text wrap="truncate">
        <Text {...theme.title}>oneknock</Text>
        {title && ` ${theme.signs.into} ${title}`}
      </Text>
      <Box flexShrink={0} marginLeft={1}>
        <Text {...(open > 0 ? theme.good : theme.faint)}>{status}</Text>
      </Box>
    </Box>
  )
}

function Said({ state: { note }, theme }: View) {
  return (
    <Box paddingX={1} height={1} flexShrink={0} overflowY="hidden">
      <Text {...(note ? ofMood(theme, note.mood) : {})} wrap="truncate">
        {note?.text ?? ' '}
      </Text>
    </Box>
  )
}

function Foot({ state, theme }: View) {
  const shown = bindingsOf(state).filter(({ label }) => label !== undefined)
  return (
    <Box paddingX={1} height={1} flexShrink={0} overflowY="hidden" columnGap={3}>
      {shown.map(({ key, label }) => (
        <Text key={key} wrap="truncate">
          <Text {...theme.key}>{nameOfKey(key, theme)}</Text>
          <Text {...theme.faint}>{` ${label}`}</Text>
        </Text>
      ))}
    </Box>
  )
}

export function nameOfKey(key: Binding['key'], theme: Theme): string {
  if (key === 'enter') return theme.signs.enter
  return key === 'escape' ? 'esc' : key
}

export const ofMood = (theme: Theme, mood: Mood) =>
  mood === 'plain' ? theme.faint : mood === 'good' ? theme.good : theme.bad

export function Bar({ part, width, theme }: { part: number; width: number; theme: Theme }) {
  const full = Math.round(Math.min(1, Math.max(0, part)) * width)
  const { signs } = theme
  return (
    <Text>
      <Text {...theme.good}>{signs.full.repeat(full)}</Text>
      <Text {...theme.faint}>{signs.rest.repeat(width - full)}</Text>
    </Text>
  )
}

/** Text in whole words. Ink's own wrapping begins a line with the space that did not fit before. */
export function Paragraph({
  text,
  columns,
  ...style
}: TextProps & { text: string; columns: number }) {
  return <Text {...style}>{wrapped(text, columns).join('\n')}</Text>
}

export function wrapped(text: string, columns: number): string[] {
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
