import type { WriteStream } from 'node:tty'
import type { Size } from './state.ts'

/** xterm's control sequences, which every terminal in use knows or ignores. */
const ALTERNATE_SCREEN = { on: '\x1b[?1049h', off: '\x1b[?1049l' }
const BRACKETED_PASTE = { on: '\x1b[?2004h', off: '\x1b[?2004l' }
const SHOW_CURSOR = '\x1b[?25h'
const CLEAR = '\x1b[H\x1b[2J'
/** OSC 52: the terminal puts this, in base64, on the clipboard of the machine that it runs on. */
const toClipboard = (text: string): string =>
  `\x1b]52;c;${Buffer.from(text).toString('base64')}\x07`

const SIZE: Size = { columns: 80, rows: 24 }

/** The terminal's other screen: what was on the first one is there again when this is left. */
export class Fullscreen {
  readonly #terminal: WriteStream
  #isOn = false

  constructor(terminal: WriteStream) {
    this.#terminal = terminal
  }

  get size(): Size {
    // A terminal that does not know its size says 0.
    const { columns, rows } = this.#terminal
    return { columns: columns || SIZE.columns, rows: rows || SIZE.rows }
  }

  enter(): void {
    if (!this.#isOn) this.#terminal.write(ALTERNATE_SCREEN.on + BRACKETED_PASTE.on + CLEAR)
    this.#isOn = true
  }

  leave(): void {
    if (this.#isOn) {
      this.#terminal.write(BRACKETED_PASTE.off + ALTERNATE_SCREEN.off + SHOW_CURSOR)
    }
    this.#isOn = false
  }

  clear(): void {
    this.#terminal.write(CLEAR)
  }

  copy(text: string): void {
    this.#terminal.write(toClipboard(text))
  }
}

/**
 * The same terminal, without an end to its rows. Ink erases what has scrolled away, the person's own
 * lines too, when a frame is as high as the terminal; and it would be, while it is made smaller.
 */
export const unscrolled = (terminal: WriteStream): WriteStream =>
  new Proxy(terminal, {
    get(target, name) {
      if (name === 'rows') return Number.POSITIVE_INFINITY
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
