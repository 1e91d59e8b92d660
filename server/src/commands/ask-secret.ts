import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { Failure } from './failure.ts'

/** Longer than any secret that a command reads: what else may be piped in is not for us. */
const INPUT_MAX = 4_096

/** Asks on the terminal, and shows nothing of what is typed. */
export async function askUnechoed(question: string, otherwise: string): Promise<string> {
  if (!process.stdin.isTTY) throw new Failure(`there is no terminal to ask on: ${otherwise}`)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({
    input: process.stdin,
    output: nowhere,
    terminal: true,
    historySize: 0,
  })
  process.stderr.write(question)
  const answer = await new Promise<string | undefined>(resolve => {
    lines.once('close', () => resolve(undefined))
    lines.question('', resolve)
  })
  lines.close()
  process.stderr.write('\n')
  if (answer === undefined) throw new Failure('nothing was typed; nothing was done')
  return answer
}

/** All lines of standard input, without what ends them: PAM ends a password with a zero byte. */
export async function readInput(): Promise<string[]> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of process.stdin) {
    chunks.push(chunk)
    length += chunk.length
    if (length > INPUT_MAX) throw new Failure(`standard input holds more than ${INPUT_MAX} bytes`)
  }
  const text = Buffer.concat(chunks).toString('utf8').replace(/\0+$/, '')
  return text.split('\n').map(line => line.replace(/\r$/, ''))
}
