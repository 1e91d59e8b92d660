import { Box, Text } from 'ink'
import { Cursor, Paragraph, useView } from '../parts.tsx'
import type { PassphraseScreen } from '../state.ts'

/** Not even its length is shown. */
export function Passphrase({ screen }: { screen: PassphraseScreen }) {
  const { state, theme } = useView()
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
      {problem && <Paragraph text={problem} {...theme.bad} />}
    </Box>
  )
}
