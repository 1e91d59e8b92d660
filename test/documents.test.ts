import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/*
 * What the documents show is there: every command with its options, every file that they lead to,
 * every script of npm. What the commands do is the business of the end-to-end tests.
 */

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PROGRAMS: Readonly<Record<string, string>> = {
  oneknock: 'client/dist/bin/oneknock.js',
  oneknockd: 'server/dist/main.js',
}

const documents = [
  ...['README.md', 'SPEC.md', 'SECURITY.md', 'ARCHITECTURE.md', 'client/README.md'],
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => join('docs', name)),
]

const read = (name: string) => readFileSync(join(ROOT, name), 'utf8')

/** The lines of a document's shell blocks, without what follows a `#`. */
function shellLines(text: string): string[] {
  return [...text.matchAll(/^```(?:sh|console)\n(.*?)^```/gms)]
    .flatMap(([, block]) => block!.replaceAll('\\\n', ' ').split('\n'))
    .map(line =>
      line
        .replace(/^\$ /, '')
        .replace(/\s#.*$/, '')
        .trim(),
    )
    .filter(line => line !== '' && !line.startsWith('#'))
}

/** What a program is called with: its subcommands, and the long options. */
function callsIn(line: string): { program: string; words: string[]; options: string[] }[] {
  return [...line.matchAll(/(?:^|[\s(|;"'/])(oneknockd?)((?: [^|;&"')`]+)?)/g)].map(
    ([, program, rest]) => {
      const before = rest!.split(/ -- /)[0]!
      const words = before.trim().split(/\s+/).filter(Boolean)
      const options = words.filter(word => word.startsWith('--')).map(word => word.split('=')[0]!)
      const first = words.findIndex(word => !/^[a-z]+$/.test(word))
      return { program: program!, words: first < 0 ? words : words.slice(0, first), options }
    },
  )
}

const helps = new Map<string, string>()

/** One for each command that a page shows, on a machine that has other things to do. */
const HELPS_MS = 60_000

/** The help of the longest run of words that is a command. */
function helpOf(program: string, words: readonly string[]): string {
  // The client's commands have none below them, and each help is a process to wait for.
  const call = [program, ...words.slice(0, program === 'oneknock' ? 1 : 2)].join(' ')
  const kept = helps.get(call)
  if (kept !== undefined) return kept
  const [, ...args] = call.split(' ')
  // By what it prints: `otp verify` ends with 0 for a right code alone.
  const { stdout: help } = spawnSync(
    process.execPath,
    [join(ROOT, PROGRAMS[program]!), ...args, '--help'],
    { encoding: 'utf8' },
  )
  helps.set(call, help)
  return help
}

describe.each(documents)('%s', name => {
  const text = read(name)

  it(
    'shows only commands and options that there are',
    () => {
      for (const line of shellLines(text)) {
        for (const { program, words, options } of callsIn(line)) {
          if (words.length === 0 && options.length === 0) continue
          const help = helpOf(program, words)
          expect(help, line).toContain(['Usage:', program, ...words.slice(0, 1)].join(' '))
          const known = help + helpOf(program, [])
          for (const option of options) expect(known, line).toContain(option)
        }
      }
    },
    HELPS_MS,
  )

  it('names only scripts of npm that there are', () => {
    const { scripts } = JSON.parse(read('package.json'))
    for (const [, script] of text.matchAll(/npm run ([a-z:]+)(?! -w)/g)) {
      expect(Object.keys(scripts)).toContain(script)
    }
  })

  it('leads only to files that there are', () => {
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue
      expect(existsSync(join(ROOT, dirname(name), target!)), target).toBe(true)
    }
  })
})

it('would see a command that there is not', () => {
  expect(callsIn('ssh gate oneknockd user add alice --services ssh,wiki')).toEqual([
    { program: 'oneknockd', words: ['user', 'add', 'alice'], options: ['--services'] },
  ])
  expect(helpOf('oneknockd', ['frobnicate'])).not.toContain('Usage: oneknockd frobnicate')
})
