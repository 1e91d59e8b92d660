import { Box, Text } from 'ink'
import { Paragraph, useView } from '../parts.tsx'
import type { FailedScreen } from '../state.ts'

export function Failed({ screen }: { screen: FailedScreen }) {
  const { theme } = useView()
  const { title, what, next } = screen
  return (
    <Box flexDirection="column" padding={1}>
      <Text {...theme.bad}>
        {theme.signs.failed} {title}
      </Text>
      <Box marginY={1}>
        <Paragraph text={sentence(what)} />
      </Box>
      {next && (
        <>
          <Text {...theme.faint}>What to do:</Text>
          <Paragraph text={sentence(next)} />
        </>
      )}
    </Box>
  )
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
