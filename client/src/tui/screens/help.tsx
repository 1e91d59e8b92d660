import { Box, Text } from 'ink'
import { bindingsOf } from '../keys.ts'
import { nameOfKey, OneLine, Paragraph, useView } from '../parts.tsx'
import type { Screen } from '../state.ts'

const KEY_COLUMNS = 12

/** What each screen is for. */
const ABOUT: Readonly<Record<Screen['kind'], string>> = {
  targets:
    'Pick a target to open all that you may open there, or one of its services. Letters narrow the list.',
  passphrase:
    'The key of this target is locked with a passphrase. It is asked for once in a session.',
  code: 'A code works once. The bar shows how long the authenticator shows its present one; one that has just gone is still taken.',
  knocking:
    'One packet asks the server to open. A lost one is sent again, the same knock; no code is used twice.',
  door: 'The door is open for your address, until its time is up. What is connected by then usually stays so.',
  failed: 'Nothing was opened by this knock.',
  add: 'An invitation comes from the administrator of a server: oneknockd user add. It is kept in a file that only you can read.',
  history: 'What happened since this session began. It is not kept.',
}

export function Help({ about }: { about: Screen['kind'] }) {
  const { state, theme } = useView()
  const explained = bindingsOf(state).filter(({ label, help }) => label ?? help)
  return (
    <Box flexDirection="column">
      <Paragraph text={ABOUT[about]} />
      <Box flexDirection="column" marginTop={1}>
        {explained.map(({ key, label, help }) => (
          <Box key={key}>
            <Box width={KEY_COLUMNS} flexShrink={0}>
              <Text {...theme.key}>{nameOfKey(key, theme)}</Text>
            </Box>
            <OneLine>{help ?? label}</OneLine>
          </Box>
        ))}
      </Box>
      <Box marginTop={1}>
        <Text {...theme.faint}>In scripts: oneknock knock TARGET; see oneknock --help</Text>
      </Box>
    </Box>
  )
}
