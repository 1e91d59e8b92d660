import { useInput } from 'ink'
import { useState } from 'react'
import { nameOf } from './history.ts'
import { inputReader } from './input.ts'
import { Frame, type View, ViewContext } from './parts.tsx'
import { Add } from './screens/add.tsx'
import { Code } from './screens/code.tsx'
import { Door } from './screens/door.tsx'
import { Failed } from './screens/failed.tsx'
import { Help } from './screens/help.tsx'
import { History } from './screens/history.tsx'
import { Knocking } from './screens/knocking.tsx'
import { Passphrase } from './screens/passphrase.tsx'
import { Targets } from './screens/targets.tsx'
import type { Happening } from './session.ts'
import type { Screen } from './state.ts'

/** Draws a state, and tells what is typed at it. */
export function App({ state, theme, tell }: View & { tell: (happening: Happening) => void }) {
  const [read] = useState(inputReader)
  useInput((input, key) => {
    const happening = read(input, key)
    if (happening) tell(happening)
  })
  const { screen, isHelpShown } = state
  return (
    <ViewContext value={{ state, theme }}>
      <Frame title={isHelpShown ? 'help' : titleOf(screen)}>
        {isHelpShown ? <Help about={screen.kind} /> : <Shown screen={screen} />}
      </Frame>
    </ViewContext>
  )
}

function Shown({ screen }: { screen: Screen }) {
  switch (screen.kind) {
    case 'targets':
      return <Targets />
    case 'passphrase':
      return <Passphrase screen={screen} />
    case 'code':
      return <Code screen={screen} />
    case 'knocking':
      return <Knocking screen={screen} />
    case 'door':
      return <Door ask={screen.ask} />
    case 'failed':
      return <Failed screen={screen} />
    case 'add':
      return <Add screen={screen} />
    case 'history':
      return <History up={screen.up} />
  }
}

function titleOf(screen: Screen): string {
  switch (screen.kind) {
    case 'targets':
      return ''
    case 'add':
      return 'add a target'
    case 'history':
      return 'history'
    default:
      return nameOf(screen.ask)
  }
}
