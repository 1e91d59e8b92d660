import { Box, Text } from 'ink'
import { Cursor, type View } from '../parts.tsx'
import type { PassphraseScreen } from '../state.ts'

/** Not even its length is shown. */
export function Passphrase({ state, theme, screen }: View & { screen: PassphraseScreen }) {
  const { ask, text, problem } = screen
  return (
    <Box flexDirection="column" padding={1}>
      <Text>The key of {ask.target} is locked.</Text>
      <Box marginY={1}>
        <Text>Passphrase </Text>
        <Cursor />
        <Text {...theme.faint}>{text === '' ? '' : ' not shown'}</Text>
      </Box>
      {state.work && <Text {...theme.faint}>trying it: this takes a second on purpose</Text>}
      {problem && <Text {...theme.bad}>{problem}</Text>}
    </Box>
  )
}
