import { Box, Text } from 'ink'
import { bodyRows, Cursor, type View } from '../parts.tsx'
import { doorOf, type Row, rowsOf } from '../rows.ts'
import { countdown } from '../time.ts'
import { Entries } from './history.tsx'

/** A service stands below its target. */
const INDENT = '  '
/** `● open 1:29:41`, and room before it. */
const STATE_COLUMNS = 16
const DEFAULT_PORT = 62201
/** What stands above the list: the filter, and a line of room. */
const FILTER_ROWS = 2
/** On a screen with room to spare, so many lines tell what happened last. */
const RECENT = 3
const ROOMY_ROWS = 12

export function Targets({ state, theme }: View) {
  const { size, problems, history, list } = state
  const rows = rowsOf(state)
  const recent = bodyRows(size) >= ROOMY_ROWS ? Math.min(RECENT, history.length) : 0
  const room = bodyRows(size) - FILTER_ROWS - problems.length - (recent && recent + 1)
  const first = firstShown(list.at, rows.length, Math.max(1, room))
  return (
    <>
      <Filter state={state} theme={theme} />
      <Box flexDirection="column" flexGrow={1} overflowY="hidden">
        {rows.slice(first, first + Math.max(1, room)).map((row, i) => (
          <Line
            key={`${row.target.name} ${row.service ?? ''}`}
            row={row}
            isChosen={first + i === list.at}
            state={state}
            theme={theme}
          />
        ))}
        {rows.length === 0 && <Text {...theme.faint}>nothing here by that name</Text>}
      </Box>
      {problems.map(problem => (
        <Text key={problem} {...theme.bad} wrap="truncate">
          {problem}
        </Text>
      ))}
      {recent > 0 && <Entries entries={history.slice(-recent)} theme={theme} />}
    </>
  )
}

function Filter({ state, theme }: View) {
  const { filter } = state.list
  return (
    <Box height={FILTER_ROWS} flexShrink={0}>
      <Text {...theme.faint}>{filter === '' ? 'type to filter' : 'filter: '}</Text>
      {filter !== '' && (
        <Text>
          {filter}
          <Cursor />
        </Text>
      )}
    </Box>
  )
}

function Line({ row, isChosen, state, theme }: View & { row: Row; isChosen: boolean }) {
  const { target, service } = row
  const { pointer, open } = theme.signs
  const door = doorOf(state, row)
  const names = state.targets.flatMap(({ name, services }) => [
    name.length,
    ...services.map(name => name.length + INDENT.length),
  ])
  const width = Math.min(Math.max(...names) + 3, Math.floor(state.size.columns / 2))
  const place = target.port === DEFAULT_PORT ? target.host : `${target.host} port ${target.port}`
  return (
    <Box height={1} flexShrink={0}>
      <Box width={2} flexShrink={0}>
        <Text {...theme.chosen}>{isChosen ? pointer : ' '}</Text>
      </Box>
      <Box width={width} flexShrink={0}>
        <Text {...(isChosen ? theme.chosen : {})} wrap="truncate">
          {service === undefined ? target.name : INDENT + service}
        </Text>
      </Box>
      <Box flexGrow={1}>
        <Text {...theme.faint} wrap="truncate">
          {service === undefined ? `${place}${onlyService(row)}` : ''}
        </Text>
      </Box>
      <Box width={STATE_COLUMNS} flexShrink={0} justifyContent="flex-end">
        <Text {...theme.good}>{door && `${open} open ${countdown(door.until - state.now)}`}</Text>
      </Box>
    </Box>
  )
}

/** A single service has no line of its own. */
const onlyService = ({ target: { services } }: Row): string =>
  services.length === 1 ? `  ${services[0]}` : ''

/** Scrolls as little as keeps the chosen one in the middle. */
const firstShown = (at: number, count: number, room: number): number =>
  Math.max(0, Math.min(at - Math.floor(room / 2), count - room))
