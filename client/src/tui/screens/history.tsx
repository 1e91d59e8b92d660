import { Box, Text } from 'ink'
import { moment } from '../../report.ts'
import { nameOf } from '../history.ts'
import { bodyRows, OneLine, ofMood, useView } from '../parts.tsx'
import type { Entry } from '../state.ts'

export function History({ up }: { up: number }) {
  const { state, theme } = useView()
  const { history, size } = state
  if (history.length === 0) return <Text {...theme.faint}>Nothing has happened yet.</Text>
  const end = Math.max(Math.min(bodyRows(size), history.length), history.length - up)
  return <Entries entries={history.slice(Math.max(0, end - bodyRows(size)), end)} />
}

/** The newest at the foot, as in a log. */
export function Entries({ entries }: { entries: readonly Entry[] }) {
  const { theme } = useView()
  const longest = Math.max(...entries.map(({ ask }) => nameOf(ask).length))
  return (
    <Box flexDirection="column" flexShrink={0}>
      {entries.map(({ at, ask, what, mood }) => (
        <OneLine key={`${at} ${nameOf(ask)} ${what}`}>
          <Text {...theme.faint}>{moment(at)} </Text>
          {nameOf(ask).padEnd(longest)}
          <Text {...ofMood(theme, mood)}> {what}</Text>
        </OneLine>
      ))}
    </Box>
  )
}
