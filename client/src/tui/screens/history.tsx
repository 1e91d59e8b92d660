import { Box, Text } from 'ink'
import { moment } from '../../report.ts'
import { nameOf } from '../history.ts'
import { bodyRows, ofMood, type View } from '../parts.tsx'
import type { Entry } from '../state.ts'
import type { Theme } from '../theme.ts'

export function History({ state, theme, up }: View & { up: number }) {
  const { history, size } = state
  if (history.length === 0) return <Text {...theme.faint}>Nothing has happened yet.</Text>
  const end = Math.max(Math.min(bodyRows(size), history.length), history.length - up)
  return <Entries entries={history.slice(Math.max(0, end - bodyRows(size)), end)} theme={theme} />
}

/** The newest at the foot, as in a log. */
export function Entries({ entries, theme }: { entries: readonly Entry[]; theme: Theme }) {
  const longest = Math.max(...entries.map(({ ask }) => nameOf(ask).length))
  return (
    <Box flexDirection="column" flexShrink={0}>
      {entries.map(({ at, ask, what, mood }) => (
        <Text key={`${at} ${what}`} wrap="truncate">
          <Text {...theme.faint}>{moment(at)} </Text>
          {nameOf(ask).padEnd(longest)}
          <Text {...ofMood(theme, mood)}> {what}</Text>
        </Text>
      ))}
    </Box>
  )
}
