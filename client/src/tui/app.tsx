import { useInput } from 'ink'
import { useState } from 'react'
import { nameOf } from './history.ts'
import { inputReader } from './input.ts'
import { Frame, type View } from './parts.tsx'
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
  const title = state.isHelpShown ? 'help' : titleOf(state.screen)
  return (
    <Frame state={state} theme={theme} title={title}>
      {state.isHelpShown ? (
        <Help state={state} theme={theme} />
      ) : (
        <Shown state={state} theme={theme} />
      )}
    </Frame>
  )
}

function Shown({ state, theme }: View) {
  const { screen } = state
  switch (screen.kind) {
    case 'targets':
      return <Targets state={state} theme={theme} />
    case 'passphrase':
      return <Passphrase state={state} theme={theme} screen={screen} />
    case 'code':
      return <Code state={state} theme={theme} screen={screen} />
    case 'knocking':
      return <Knocking state={state} theme={theme} screen={screen} />
    case 'door':
      return <Door state={state} theme={theme} ask={screen.ask} />
    case 'failed':
      return <Failed state={state} theme={theme} screen={screen} />
    case 'add':
      return <Add state={state} theme={theme} screen={screen} />
    case 'history':
      return <History state={state} theme={theme} up={screen.up} />
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
