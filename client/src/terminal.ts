import { closeSync, openSync, writeSync } from 'node:fs'
import { ReadStream } from 'node:tty'
import { fail, ok, type Result } from '@oneknock/shared'
import { CAN_SUSPEND } from './suspending.ts'

export type NoAnswer = 'no-terminal' | 'interrupted'

/** `stars`: something moves as one types, and nothing is shown of it. `plain`: no secret. */
export type Echo = 'nothing' | 'stars' | 'plain'

/** Longer than any code or invitation: a bound on what a stuck key can do. */
const ANSWER_MAX = 4096
const STAR = '*'
const ERASE = '\b \b'

const KEY = {
  interrupt: '\x03',
  suspend: '\x1a',
  endOfInput: '\x04',
  backspace: '\b',
  eraseLine: '\x15',
  delete: '\x7f',
} as const
/** Arrows and such: not to be taken for letters. */
const ESCAPE_SEQUENCES = /(\x1b(?:\[[0-9;]*[A-Za-z~]|O.|))/
/** One that may go on in what is read next. */
const CUT_SEQUENCE = /\x1b(?:\[[0-9;]*)?$/
const CONTROL = /[\x00-\x1f\x7f]/

/** xterm's bracketed paste, for what is long and secret: a line break in it is no key. */
const PASTE = { on: '\x1b[?2004h', off: '\x1b[?2004l', begins: '\x1b[200~', ends: '\x1b[201~' }
const ENDS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM']

/**
 * Asks the person at this process's terminal, wherever its input and output go. While it asks, the
 * terminal is in raw mode, and put back whatever ends it.
 */
export async function askTerminal(question: string, echo: Echo): Promise<Result<string, NoAnswer>> {
  const fds = openTerminal()
  if (!fds) return fail('no-terminal')
  const show = (text: string) => writeIfThere(fds.output, text)
  const input = new ReadStream(fds.input)
  let hangUp = () => {}
  const hungUp = new Promise<Result<string, NoAnswer>>(settle => {
    hangUp = () => settle(fail('interrupted'))
  })
  const brackets = echo === 'nothing' && knowsSequences(process.env)
  const openBrackets = () => brackets && show(PASTE.on)
  const closeBrackets = () => brackets && show(PASTE.off)
  const end = (signal: NodeJS.Signals) => {
    input.setRawMode(false)
    closeBrackets()
    process.kill(process.pid, signal)
  }
  const draw = (text: string) => (echo === 'plain' ? text : STAR.repeat(text.length))
  const echoed = echo === 'nothing' ? () => {} : show
  const suspend = (line: string) => {
    input.setRawMode(false)
    closeBrackets()
    show('\n')
    // To all that were started with it, as the terminal does: it may ask on behalf of ssh.
    process.kill(0, 'SIGTSTP')
    input.setRawMode(true)
    openBrackets()
    show(question)
    echoed(draw(line))
  }
  // Here Node would end, and leave the terminal raw.
  process.once('SIGHUP', hangUp)
  for (const signal of ENDS) process.once(signal, end)
  try {
    input.setRawMode(true)
    openBrackets()
    show(question)
    return await Promise.race([readLine(input, { show: echoed, draw, suspend }), hungUp])
  } finally {
    process.off('SIGHUP', hangUp)
    for (const signal of ENDS) process.off(signal, end)
    input.setRawMode(false)
    closeBrackets()
    input.destroy()
    show('\n')
    closeSync(fds.output)
  }
}

const knowsSequences = ({ TERM = 'dumb' }: NodeJS.ProcessEnv): boolean => TERM !== 'dumb'

/** A terminal that is gone has nobody to show anything to. */
function writeIfThere(fd: number, text: string): void {
  try {
    writeSync(fd, text)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
  }
}

function openTerminal(): { readonly input: number; readonly output: number } | undefined {
  try {
    return { input: openSync('/dev/tty', 'r'), output: openSync('/dev/tty', 'w') }
  } catch {
    return undefined
  }
}

interface Screen {
  readonly show: (text: string) => void
  /** What is seen of a text. */
  readonly draw: (text: string) => string
  /** Stops this process until the shell lets it go on, and shows the question again, with this behind it. */
  readonly suspend: (line: string) => void
}

function readLine(
  input: ReadStream,
  { show, draw, suspend }: Screen,
): Promise<Result<string, NoAnswer>> {
  let line = ''
  const erase = (from: number) => {
    show(ERASE.repeat(line.length - from))
    line = line.slice(0, from)
  }
  return new Promise(settle => {
    const press = (key: string) => {
      switch (key) {
        case '\r':
        case '\n':
          return settle(ok(line))
        case KEY.interrupt:
          return settle(fail('interrupted'))
        case KEY.suspend:
          return CAN_SUSPEND ? suspend(line) : undefined
        case KEY.endOfInput:
          return line === '' ? settle(fail('interrupted')) : undefined
        case KEY.backspace:
        case KEY.delete:
          return erase(Math.max(0, line.length - 1))
        case KEY.eraseLine:
          return erase(0)
      }
      if (key < ' ' || line.length >= ANSWER_MAX) return
      line += key
      show(draw(key))
    }
    input.setEncoding('utf8')
    const keysOf = keyReader()
    input.on('data', (text: string) => {
      for (const key of keysOf(text)) press(key)
    })
    input.on('error', () => settle(fail('interrupted')))
    input.on('end', () => settle(fail('interrupted')))
  })
}

/**
 * Makes keys of what a terminal sends. Nothing in a paste is one: an invitation that was copied with
 * the line breaks of its screen is whole, and what follows the first of them is not left to the shell.
 */
function keyReader(): (text: string) => string[] {
  let isPasting = false
  let cut = ''
  return text => {
    const read = cut + text
    cut = CUT_SEQUENCE.exec(read)?.[0] ?? ''
    const pieces = read.slice(0, read.length - cut.length).split(ESCAPE_SEQUENCES)
    return pieces.flatMap(piece => {
      if (piece === PASTE.begins || piece === PASTE.ends) isPasting = piece === PASTE.begins
      if (piece.startsWith('\x1b')) return []
      return [...piece].filter(key => !isPasting || !CONTROL.test(key))
    })
  }
}
