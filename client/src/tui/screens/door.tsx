import { Box, Text } from 'ink'
import { moment } from '../../report.ts'
import { BIG_ROWS, big } from '../big.ts'
import { findDoor, isOpen } from '../doors.ts'
import { Bar, bodyRows, MARGINS, OneLine, useView } from '../parts.tsx'
import type { Ask, Door as OpenDoor } from '../state.ts'
import { targetOf } from '../steps.ts'
import { countdown } from '../time.ts'

/** Beside the digits: what stands above and below them. */
const OTHER_ROWS = 9
const BAR_MAX = 60

export function Door({ ask }: { ask: Ask }) {
  const { state } = useView()
  const door = findDoor(state.doors, ask)
  if (!door) return null
  return isOpen(door, state.now) ? (
    <Opened door={door} />
  ) : (
    <Box padding={1}>
      <Text>{door.ended === 'closed' ? 'Closed.' : 'Closed: its time was up.'}</Text>
    </Box>
  )
}

function Opened({ door }: { door: OpenDoor }) {
  const { state, theme } = useView()
  const { now, size } = state
  const { opened, admitted, until, lifetime, ask } = door
  const left = until - now
  const digits = big(countdown(left), theme.signs.full)
  const isRoomy =
    bodyRows(size) >= BIG_ROWS + OTHER_ROWS && digits.indexOf('\n') <= size.columns - MARGINS
  return (
    <Box flexDirection="column" paddingX={1}>
      <Text>
        <Text {...theme.good}>{theme.signs.open} open</Text> {opened.join(' ')}
      </Text>
      <Box marginY={1}>
        <Text {...theme.good}>{isRoomy ? digits : countdown(left)}</Text>
      </Box>
      <Bar part={left / (lifetime * 1000)} width={Math.min(BAR_MAX, size.columns - MARGINS)} />
      <Box marginTop={1} flexDirection="column">
        <OneLine>
          until {moment(until)}, for {admitted}
        </OneLine>
        <OneLine>{targetOf(state, ask)?.command}</OneLine>
      </Box>
    </Box>
  )
}
