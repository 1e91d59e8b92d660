import { TOTP_DIGITS, TOTP_STEP_MS } from '@oneknock/shared'
import { Box, Text } from 'ink'
import { codeLeft, isCodeUsed } from '../code.ts'
import { findDoor, isOpen } from '../doors.ts'
import { Bar, Cursor, Paragraph, useView } from '../parts.tsx'
import type { CodeScreen, State } from '../state.ts'
import { targetOf } from '../steps.ts'
import { countdown } from '../time.ts'

/** More are counted, not drawn. */
const DOTS_MAX = 24
const BAR_MAX = 30
/** What stands beside the bar. */
const LIFE_COLUMNS = 34

export function Code({ screen }: { screen: CodeScreen }) {
  const { state, theme } = useView()
  const { text, problem } = screen
  return (
    <Box flexDirection="column" padding={1}>
      <Text>
        {'Code  '}
        <Dots length={text.replaceAll(' ', '').length} />
      </Text>
      <Box marginY={1}>
        <Life target={screen.ask.target} />
      </Box>
      {problem && <Paragraph text={problem} {...theme.bad} />}
      <Paragraph text={advice(state, screen)} {...theme.faint} />
    </Box>
  )
}

function Life({ target }: { target: string }) {
  const { state } = useView()
  const { now, size } = state
  const left = codeLeft(now)
  const seconds = Math.ceil(left / 1000)
  const width = Math.max(0, Math.min(BAR_MAX, size.columns - LIFE_COLUMNS))
  return (
    <>
      <Bar part={left / TOTP_STEP_MS} width={width} />
      <Text>
        {isCodeUsed(state, target)
          ? `  used: the next in ${seconds} s`
          : `  this code lives ${seconds} s`}
      </Text>
    </>
  )
}

function advice(state: State, { ask }: CodeScreen): string {
  const door = findDoor(state.doors, ask)
  const where = targetOf(state, ask)?.givesCodes
    ? 'Leave it empty, and the code comes from where this target keeps it.'
    : 'Six digits from your authenticator. A touch of your YubiKey or a recovery code will do as well.'
  if (!door || !isOpen(door, state.now)) return where
  const left = countdown(door.until - state.now)
  return `It is open for ${left}; a new code opens it for its whole time again. ${where}`
}

/** How many were typed, and how many of the six are still to come; never which. */
function Dots({ length }: { length: number }) {
  const { theme } = useView()
  const { typed, empty } = theme.signs
  const rest = TOTP_DIGITS - length - 1
  return (
    <>
      <Text {...theme.title}>{`${typed} `.repeat(Math.min(length, DOTS_MAX))}</Text>
      {rest >= 0 ? <Text inverse>{empty}</Text> : <Cursor />}
      {rest > 0 && ` ${empty}`.repeat(rest)}
      {length > DOTS_MAX && <Text {...theme.faint}>{`  ${length} characters`}</Text>}
    </>
  )
}
