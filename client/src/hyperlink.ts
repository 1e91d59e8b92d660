import { hostname } from 'node:os'
import { pathToFileURL } from 'node:url'

/** What terminals say of themselves that know OSC 8; others would show, or beep at, what they do not know. */
const PROGRAMS = ['iTerm.app', 'WezTerm', 'vscode', 'ghostty', 'Hyper', 'Tabby', 'rio']
const TERMS = ['xterm-kitty', 'alacritty', 'foot', 'xterm-ghostty', 'contour']
/** VTE, which GNOME's and others' terminals are made of, has had them since 0.50. */
const VTE_MIN = 5000

function hasHyperlinks({ isTTY }: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  const { TERM = '', TERM_PROGRAM = '', VTE_VERSION, KONSOLE_VERSION, WT_SESSION } = env
  // What stands between may know nothing of them, whatever the terminal is.
  if (!isTTY || /^(dumb|linux|screen|tmux)/.test(TERM)) return false
  if (PROGRAMS.includes(TERM_PROGRAM) || TERMS.includes(TERM)) return true
  return Number(VTE_VERSION) >= VTE_MIN || Boolean(KONSOLE_VERSION) || Boolean(WT_SESSION)
}

/** The path, as a link to the file where the terminal has links. */
export function linkToFile(
  path: string,
  stream: { readonly isTTY?: boolean } = process.stdout,
  env: NodeJS.ProcessEnv = process.env,
): string {
  if (!hasHyperlinks(stream, env)) return path
  const url = pathToFileURL(path)
  // Over ssh the terminal is on another host; on Windows a host would mean a share.
  if (process.platform !== 'win32') url.hostname = hostname()
  return `\x1b]8;;${url.href}\x1b\\${path}\x1b]8;;\x1b\\`
}
