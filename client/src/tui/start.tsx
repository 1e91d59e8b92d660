import { setImmediate } from 'node:timers/promises'
import { type Instance, render } from 'ink'
import { systemClock } from '../clock.ts'
import { EXIT, type Exit } from '../exit.ts'
import { App } from './app.tsx'
import { Fullscreen, unscrolled } from './fullscreen.ts'
import { performOn, recall } from './perform.ts'
import { readProfiles } from './profiles.ts'
import { runInShell } from './run.ts'
import { Session } from './session.ts'
import { begin, type State } from './state.ts'
import { themeFor } from './theme.ts'

/** Ends at these, with the terminal as it was found. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
/** What a terminal sends to all that run on it, when ^C or ^\ is meant for one of them. */
const KEY_SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']

/** A session on this process's terminal, until the person ends it. Rejects if it fails. */
export const startTui = (): Promise<Exit> =>
  new Promise((end, crash) => new Tui(() => end(EXIT.opened), crash).start())

/**
 * Else Node would take keys from whoever reads next. The key that led here is still being handled, and
 * reading goes on behind it; and a pause takes effect a turn later.
 */
async function stopReading(): Promise<void> {
  await setImmediate()
  process.stdin.pause()
  await setImmediate()
}

class Tui {
  readonly #end: () => void
  readonly #crash: (error: unknown) => void
  readonly #fullscreen = new Fullscreen(process.stdout)
  readonly #stdout = unscrolled(process.stdout)
  readonly #theme = themeFor(process.env)
  readonly #session: Session
  #ink: Instance | undefined
  #isRaw = false
  #isLent = false

  constructor(end: () => void, crash: (error: unknown) => void) {
    this.#end = end
    this.#crash = crash
    const state = begin(readProfiles(), this.#fullscreen.size, systemClock.now())
    const perform = performOn({
      lend: use => this.#lend(use),
      run: command => this.#lendAll(() => runInShell(command)),
      suspend: () => this.#lendAll(() => this.#suspend()),
      copy: text => this.#fullscreen.copy(text),
    })
    this.#session = new Session(state, systemClock, perform)
  }

  start(): void {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal)
    // A rejection that nobody handles comes here too.
    process.on('uncaughtException', this.#onError)
    process.stdin.on('end', this.#onHangUp)
    for (const stream of [process.stdin, process.stdout]) stream.on('error', this.#onHangUp)
    process.stdout.on('resize', this.#onResize)
    this.#fullscreen.enter()
    this.#session.start(state => this.#show(state))
    recall().then(this.#session.tell, this.#onError)
  }

  #show(state: State): void {
    if (state.isOver) this.#leave(this.#end)
    else if (!this.#isLent) this.#draw(state)
  }

  #draw(state: State): void {
    const tree = <App state={state} theme={this.#theme} tell={this.#session.tell} />
    if (this.#ink) {
      this.#ink.rerender(tree)
      return
    }
    // Ink does it too, but behind the first frame: whoever sees that may type, and ^C is a key by then.
    this.#takeKeys(true)
    const options = { stdout: this.#stdout, exitOnCtrlC: false, patchConsole: false }
    this.#ink = render(tree, options)
    this.#ink.waitUntilExit().catch(this.#onError)
  }

  /** Nothing is drawn, and nothing read, while somebody else asks on the terminal. */
  async #lend<T>(use: () => Promise<T>): Promise<T> {
    this.#isLent = true
    this.#stopDrawing()
    await stopReading()
    this.#fullscreen.clear()
    try {
      return await use()
    } finally {
      this.#isLent = false
      this.#onResize()
    }
  }

  /** The same on the screen from before the session: what is said there can be read afterwards. */
  #lendAll<T>(use: () => Promise<T>): Promise<T> {
    return this.#lend(async () => {
      this.#fullscreen.leave()
      try {
        return await use()
      } finally {
        this.#fullscreen.enter()
      }
    })
  }

  async #suspend(): Promise<void> {
    process.kill(process.pid, 'SIGTSTP')
    await setImmediate()
    // Nobody tells a stopped process of the terminal's new size: it has Node look.
    process.kill(process.pid, 'SIGWINCH')
  }

  #stopDrawing(): void {
    this.#ink?.unmount()
    this.#ink = undefined
    this.#takeKeys(false)
  }

  /** One by one, and not shown. */
  #takeKeys(isRaw: boolean): void {
    if (this.#isRaw === isRaw) return
    this.#isRaw = isRaw
    process.stdin.setRawMode(isRaw)
  }

  #leave(then: () => void): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal)
    process.off('uncaughtException', this.#onError)
    process.stdin.off('end', this.#onHangUp)
    process.stdout.off('resize', this.#onResize)
    this.#session.end()
    this.#stopDrawing()
    this.#fullscreen.leave()
    then()
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.#isLent && KEY_SIGNALS.includes(signal)) return
    // Dies of it, now that nothing catches it: whoever started this is told the truth.
    this.#leave(() => process.kill(process.pid, signal))
  }

  readonly #onError = (error: unknown): void => this.#leave(() => this.#crash(error))

  readonly #onHangUp = (): void => this.#leave(this.#end)

  readonly #onResize = (): void => {
    if (this.#isLent) return
    // A terminal may have moved lines about: drawn anew, from the top.
    this.#fullscreen.clear()
    this.#session.tell({ type: 'resized', size: this.#fullscreen.size })
  }
}
