import { useSpinner } from '@inkjs/ui'
import { Box, Text } from 'ink'
import { GIVE_UP_MS, PATIENCE_MS } from '../../timing.ts'
import { codeLeft } from '../code.ts'
import { nameOf } from '../history.ts'
import { useView } from '../parts.tsx'
import type { KnockingScreen, Progress, Way } from '../state.ts'
import { countdown } from '../time.ts'

export function Knocking({ screen }: { screen: KnockingScreen }) {
  const { state, theme } = useView()
  const { frame } = useSpinner({ type: theme.signs.spinner })
  const { progress } = screen
  return (
    <Box flexDirection="column" padding={1}>
      <Text>
        <Text {...theme.title}>{frame}</Text> {stageLine(screen)}
      </Text>
      <Box flexDirection="column" marginY={1} marginLeft={2}>
        {progress.stage === 'asking' &&
          progress.ways.map(way => <Text key={way.server}>{wayLine(way)}</Text>)}
      </Box>
      <Text {...theme.faint}>{leftLine(progress, state.now)}</Text>
    </Box>
  )
}

function stageLine({ verb, ask, progress: { stage, detail } }: KnockingScreen): string {
  switch (stage) {
    case 'code':
      return `Asking the code of ${ask.target} from where it is kept`
    case 'resolving':
      return detail === '' ? 'Reading the key' : `Finding ${detail}`
    case 'asking':
      return `${verb === 'open' ? 'Knocking at' : 'Closing'} ${nameOf(ask)}`
    case 'next-code':
      return `This code of ${ask.target} was used already: waiting for the next`
    case 'pending':
      return `Waiting for somebody to approve${detail && ` (${detail})`}`
  }
}

function wayLine({ server, sent, trouble, isAnswered }: Way): string {
  if (isAnswered) return `${server}: answered`
  if (trouble) return `${server}: cannot be reached (${trouble})`
  if (sent === 0) return `${server}: sending`
  if (sent === 1) return `${server}: sent, waiting for the reply`
  return `${server}: no reply yet, sent ${sent} times`
}

function leftLine({ stage, since }: Progress, now: number): string {
  if (stage === 'asking') return `gives up in ${countdown(since + GIVE_UP_MS - now)}`
  if (stage === 'next-code') return `it comes in ${countdown(codeLeft(now))}`
  if (stage === 'pending') return `stops waiting in ${countdown(since + PATIENCE_MS - now)}`
  return ''
}
