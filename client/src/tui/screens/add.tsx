import { parseInvitation } from '@oneknock/shared'
import { Box, Text } from 'ink'
import { Cursor, counted, Paragraph, useView } from '../parts.tsx'
import type { AddScreen } from '../state.ts'

export function Add({ screen }: { screen: AddScreen }) {
  const { theme } = useView()
  const { step, name, problem } = screen
  return (
    <Box flexDirection="column" padding={1}>
      {step === 'invitation' ? (
        <Paste text={screen.text} />
      ) : (
        <>
          <Invited text={screen.text} />
          <Box marginTop={1}>
            <Text>Call it </Text>
            <Text {...theme.title}>{name}</Text>
            <Cursor />
          </Box>
        </>
      )}
      {problem && (
        <Box marginTop={1}>
          <Paragraph text={problem} {...theme.bad} />
        </Box>
      )}
    </Box>
  )
}

function Paste({ text }: { text: string }) {
  const { state, theme } = useView()
  const isFirst = state.targets.length === 0
  return (
    <>
      <Paragraph
        text={`${isFirst ? 'Welcome. ' : ''}Paste the invitation that you were given: it begins with oneknock://`}
      />
      <Paragraph text="It holds a key, so nothing of it is shown here." {...theme.faint} />
      <Box marginTop={1}>
        <Text>Invitation {'  '}</Text>
        <Text {...theme.title}>{text === '' ? '' : counted(text.length, 'character')}</Text>
        <Cursor />
      </Box>
    </>
  )
}

/** What the invitation says, all but the key. */
function Invited({ text }: { text: string }) {
  const { theme } = useView()
  const invitation = parseInvitation(text)
  if (!invitation.ok) return null
  const { user, device, host, port, services } = invitation.value
  return (
    <>
      <Text>
        An invitation for <Text {...theme.key}>{user}</Text>, on the device{' '}
        <Text {...theme.key}>{device}</Text>,
      </Text>
      <Text>
        to {host} port {port}
        {services.length > 0 && `: ${services.join(' ')}`}.
      </Text>
    </>
  )
}
