import { spawn } from 'node:child_process'
import type { Note } from './state.ts'

/** Runs a command line on this terminal, and says how it ended. */
export async function runInShell(command: string): Promise<Note> {
  const { isFine, end } = await ending(command)
  if (isFine) return { text: `${command}: ended`, mood: 'good' }
  // What it complained of would be gone at once.
  process.stdout.write(`oneknock: ${command} ${end}; Enter goes back. `)
  await anyLine()
  return { text: `${command}: ${end}`, mood: 'bad' }
}

function ending(command: string): Promise<{ readonly isFine: boolean; readonly end: string }> {
  const child = spawn(command, { shell: true, stdio: 'inherit' })
  return new Promise(settle => {
    child.on('error', error => settle({ isFine: false, end: `cannot be run (${error.message})` }))
    child.on('close', (status, signal) =>
      settle({
        isFine: status === 0,
        end: signal ? `was ended by ${signal}` : `ended with status ${status}`,
      }),
    )
  })
}

/** Until Enter, or until nobody is there any more. */
function anyLine(): Promise<void> {
  const { stdin } = process
  return new Promise(settle => {
    const end = () => {
      stdin.pause()
      stdin.off('data', end)
      stdin.off('end', end)
      settle()
    }
    stdin.on('data', end)
    stdin.on('end', end)
    stdin.resume()
  })
}
