import { hostname } from 'node:os'
import { describe, expect, it } from 'vitest'
import { linkToFile } from '../../client/src/hyperlink.ts'

const PATH = '/home/ana/.config/oneknock/a b.json'
const LINK = `\x1b]8;;file://${hostname()}/home/ana/.config/oneknock/a%20b.json\x1b\\${PATH}\x1b]8;;\x1b\\`
const link = (env: NodeJS.ProcessEnv, isTTY = true) => linkToFile(PATH, { isTTY }, env)

describe('a file', () => {
  it.each([
    { VTE_VERSION: '7006', TERM: 'xterm-256color' },
    { TERM_PROGRAM: 'iTerm.app', TERM: 'xterm-256color' },
    { TERM: 'xterm-kitty' },
    { KONSOLE_VERSION: '230804', TERM: 'xterm-256color' },
    { WT_SESSION: '1', TERM: 'xterm-256color' },
  ])('is a link where the terminal has links: %j', env => {
    expect(link(env)).toBe(LINK)
  })

  it.each([
    {},
    { TERM: 'xterm-256color' },
    { VTE_VERSION: '4205', TERM: 'xterm-256color' },
    { VTE_VERSION: '7006', TERM: 'tmux-256color' },
    { TERM: 'dumb', TERM_PROGRAM: 'vscode' },
  ])('is its path elsewhere: %j', env => {
    expect(link(env)).toBe(PATH)
  })

  it('is its path where nobody reads along', () => {
    expect(link({ TERM: 'xterm-kitty' }, false)).toBe(PATH)
  })
})
