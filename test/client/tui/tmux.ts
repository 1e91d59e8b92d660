import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Home } from '../run.ts'

/** The command as it is shipped. */
const BIN = fileURLToPath(new URL('../../../client/dist/bin/oneknock.js', import.meta.url))

/** How long anything may take to show, on a busy machine. */
const DEADLINE_MS = 15_000
const POLL_MS = 25
/** Never woken: a pause ends by its time. */
const nobody = new Int32Array(new SharedArrayBuffer(4))

export const hasTmux = spawnSync('tmux', ['-V']).status === 0
if (!hasTmux) console.warn('skipped: there is no tmux')

let terminals = 0

export interface Sitting {
  readonly columns?: number
  readonly rows?: number
  readonly env?: Readonly<Record<string, string>>
}

/** What was on the terminal before the session, and is to be there after it. */
const BEFORE = 'a line from before the session'

/** A person at a real terminal, tmux, in which a shell runs the built program. */
export class Tmux {
  readonly #socket = `oneknock-test-${process.pid}-${++terminals}`
  readonly #home: Pick<Home, 'path' | 'env'>
  readonly #raw: string

  constructor(
    home: Pick<Home, 'path' | 'env'>,
    { columns = 80, rows = 24, env = {} }: Sitting = {},
  ) {
    this.#home = home
    this.#raw = join(home.path, 'raw')
    const script = join(home.path, 'sit.sh')
    writeFileSync(script, SCRIPT)
    this.#tmux('new-session', '-d', '-x', String(columns), '-y', String(rows), 'cat')
    this.#tmux('set', '-g', 'status', 'off')
    this.#tmux('set', '-s', 'set-clipboard', 'on')
    const variables = Object.entries({
      ...home.env,
      HOME: home.path,
      LANG: 'C.UTF-8',
      NODE: process.execPath,
      BIN,
      HERE: home.path,
      ...env,
    }).flatMap(([name, value]) => ['-e', `${name}=${value}`])
    // No person's terminal is a CI's: with it set, colours are left out.
    this.#tmux('respawn-window', '-k', ...variables, `env -u CI sh ${script}`)
    this.#tmux('pipe-pane', '-o', `cat >>${this.#raw}`)
    writeFileSync(join(home.path, 'go'), '')
  }

  /** What is on the screen. */
  screen(): string {
    return this.#tmux('capture-pane', '-p')
  }

  /** The same with its colours. */
  coloured(): string {
    return this.#tmux('capture-pane', '-p', '-e', '-N')
  }

  /** All that the program has written. */
  written(): string {
    return existsSync(this.#raw) ? readFileSync(this.#raw, 'utf8') : ''
  }

  /** The screen, once it shows this. */
  async sees(pattern: RegExp): Promise<string> {
    return this.waits(
      () => this.screen(),
      screen => pattern.test(screen),
      String(pattern),
    )
  }

  /** All that the program has written, once this is in it: it comes there a little later than on the screen. */
  async writes(pattern: RegExp): Promise<string> {
    return this.waits(
      () => this.written(),
      written => pattern.test(written),
      `${pattern} written`,
    )
  }

  async waits<T>(look: () => T, holds: (seen: T) => boolean, what: string): Promise<T> {
    const deadline = Date.now() + DEADLINE_MS
    for (;;) {
      const seen = look()
      if (holds(seen)) return seen
      if (Date.now() > deadline) throw new Error(`never saw ${what}; the screen:\n${this.screen()}`)
      await new Promise(resolve => setTimeout(resolve, POLL_MS))
    }
  }

  type(text: string): void {
    this.#tmux('send-keys', '-l', '--', text)
  }

  /** By tmux's names: Enter, Escape, Up, BSpace, C-c. */
  press(...keys: readonly string[]): void {
    this.#tmux('send-keys', ...keys)
  }

  /** As a terminal pastes: between brackets if the program asked for them. */
  paste(text: string): void {
    this.#tmux('set-buffer', '-b', 'pasted', '--', text)
    this.#tmux('paste-buffer', '-p', '-b', 'pasted')
  }

  /** Somebody else writes to the terminal. */
  scribble(text: string): void {
    writeFileSync(this.property('pane_tty'), text)
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows))
  }

  /** The terminal's clipboard. */
  clipboard(): string {
    const shown = spawnSync('tmux', ['-L', this.#socket, 'show-buffer'], { encoding: 'utf8' })
    return shown.stdout
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.#pid(), signal)
  }

  /** tmux's own word for a property of the terminal, such as `alternate_on`. */
  property(name: string): string {
    return this.#tmux('display-message', '-p', `#{${name}}`).trim()
  }

  /** The exit status of the program, once it has ended and left the terminal as it found it. */
  async ends(): Promise<number> {
    const screen = await this.sees(/status=\d+/)
    // All but the first line, which tells the size.
    const file = (name: string) =>
      readFileSync(join(this.#home.path, name), 'utf8').replace(/^.*\n/, '')
    await this.waits(() => existsSync(join(this.#home.path, 'after')), Boolean, 'the end')
    if (file('after') !== file('before')) throw new Error(`the modes differ:\n${file('after')}`)
    if (!screen.includes(BEFORE)) throw new Error(`what was there before is gone:\n${screen}`)
    if (this.property('alternate_on') !== '0') throw new Error('still on the other screen')
    if (this.property('cursor_flag') !== '1') throw new Error('the cursor is hidden')
    const written = await this.writes(/status=/)
    for (const mode of ['1049', '2004', '25']) {
      const last = [...written.matchAll(new RegExp(`\\x1b\\[\\?${mode}([hl])`, 'g'))].at(-1)
      const expected = mode === '25' ? 'h' : 'l'
      if (last?.[1] !== expected) throw new Error(`mode ${mode} is left on`)
    }
    return Number(/status=(\d+)/.exec(screen)![1])
  }

  /** Returns when the program has ended, too: it may still be keeping its code, in a home that goes next. */
  leave(): void {
    spawnSync('tmux', ['-L', this.#socket, 'kill-server'])
    const program = `/proc/${this.#pid()}/exe`
    const deadline = Date.now() + DEADLINE_MS
    while (existsSync(program) && Date.now() < deadline) Atomics.wait(nobody, 0, 0, POLL_MS)
  }

  #pid(): number {
    const file = join(this.#home.path, 'pid')
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
  }

  #tmux(...args: readonly string[]): string {
    const command = ['-L', this.#socket, '-f', '/dev/null', '-u', ...args]
    return execFileSync('tmux', command, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  }
}

/** Runs the program, and notes the terminal's modes before it and after. */
const SCRIPT = `
PATH="$HERE:$PATH"
until [ -e "$HERE/go" ]; do sleep 0.02; done
echo '${BEFORE}'
stty -a >"$HERE/before"
[ -z "$JOBS" ] || set -m
sh -c 'echo $$ >"$HERE/pid"; exec "$NODE" "$BIN" $ARGS'
status=$?
[ -z "$JOBS" ] || { echo "suspended=$status"; read -r _; fg; status=$?; }
echo "status=$status"
stty -a >"$HERE/after.part"
mv "$HERE/after.part" "$HERE/after"
exec cat
`
