import { Box, Text } from 'ink'
import { Paragraph, type View } from '../parts.tsx'
import type { FailedScreen } from '../state.ts'

export function Failed({ state, theme, screen }: View & { screen: FailedScreen }) {
  const { title, what, next } = screen
  const columns = state.size.columns - 4
  return (
    <Box flexDirection="column" padding={1}>
      <Text {...theme.bad}>
        {theme.signs.failed} {title}
      </Text>
      <Box marginY={1}>
        <Paragraph text={sentence(what)} columns={columns} />
      </Box>
      {next && (
        <>
          <Text {...theme.faint}>What to do:</Text>
          <Paragraph text={sentence(next)} columns={columns} />
        </>
      )}
    </Box>
  )
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
