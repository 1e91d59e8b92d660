import { DEFAULT_PORT } from '@oneknock/shared'
import { Box, Text } from 'ink'
import { bodyRows, Cursor, OneLine, useView } from '../parts.tsx'
import { doorOf, type Row, rowsOf } from '../rows.ts'
import type { State, Target } from '../state.ts'
import { countdown } from '../time.ts'
import { Entries } from './history.tsx'

/** A service stands below its target. */
const INDENT = '  '
/** `● open 1:29:41`, and room before it. */
const STATE_COLUMNS = 16
/** What stands above the list: the filter, and a line of room. */
const FILTER_ROWS = 2
/** On a screen with room to spare, so many lines tell what happened last. */
const RECENT = 3
const ROOMY_ROWS = 12

export function Targets() {
  const { state, theme } = useView()
  const { size, problems, history, list } = state
  const rows = rowsOf(state)
  const recent = bodyRows(size) >= ROOMY_ROWS ? Math.min(RECENT, history.length) : 0
  const others = FILTER_ROWS + problems.length + (recent && recent + 1)
  const room = Math.max(1, bodyRows(size) - others)
  const first = firstShown(list.at, rows.length, room)
  return (
    <>
      <Filter place={rows.length > room ? `${list.at + 1} of ${rows.length}` : ''} />
      <Box flexDirection="column" flexGrow={1} flexShrink={0}>
        {rows.slice(first, first + room).map((row, i) => (
          <Line
            key={`${row.target.name} ${row.service ?? ''}`}
            row={row}
            isChosen={first + i === list.at}
          />
        ))}
        {rows.length === 0 && <Text {...theme.faint}>nothing here by that name</Text>}
      </Box>
      {problems.map(problem => (
        <OneLine key={problem} {...theme.bad}>
          {problem}
        </OneLine>
      ))}
      {recent > 0 && <Entries entries={history.slice(-recent)} />}
    </>
  )
}

/** The place in the list is told if there is more of it than the screen shows. */
function Filter({ place }: { place: string }) {
  const { state, theme } = useView()
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
      <Box flexGrow={1} justifyContent="flex-end">
        <Text {...theme.faint}>{place}</Text>
      </Box>
    </Box>
  )
}

function Line({ row, isChosen }: { row: Row; isChosen: boolean }) {
  const { state, theme } = useView()
  const { target, service } = row
  const { pointer, open } = theme.signs
  const door = doorOf(state, row)
  return (
    <Box height={1} flexShrink={0}>
      <Box width={2} flexShrink={0}>
        <Text {...theme.chosen}>{isChosen ? pointer : ' '}</Text>
      </Box>
      <Box width={nameColumns(state)} flexShrink={0} paddingRight={1}>
        <OneLine {...(isChosen ? theme.chosen : {})}>
          {service === undefined ? target.name : INDENT + service}
        </OneLine>
      </Box>
      <Box flexGrow={1}>
        <OneLine {...theme.faint}>{service === undefined ? placeOf(target) : ''}</OneLine>
      </Box>
      <Box width={STATE_COLUMNS} flexShrink={0} justifyContent="flex-end">
        <Text {...theme.good}>{door && `${open} open ${countdown(door.until - state.now)}`}</Text>
      </Box>
    </Box>
  )
}

/** As wide as the longest name, and no wider than half the screen. */
function nameColumns({ targets, size }: State): number {
  const lengths = targets.flatMap(({ name, services }) => [
    name.length,
    ...services.map(service => INDENT.length + service.length),
  ])
  return Math.min(Math.max(...lengths) + 3, Math.floor(size.columns / 2))
}

/** With the service, if there is just one: it has no line of its own. */
function placeOf({ host, port, services }: Target): string {
  const place = port === DEFAULT_PORT ? host : `${host} port ${port}`
  return services.length === 1 ? `${place}  ${services[0]}` : place
}

/** Scrolls as little as keeps the chosen one in the middle. */
const firstShown = (at: number, count: number, room: number): number =>
  Math.max(0, Math.min(at - Math.floor(room / 2), count - room))
