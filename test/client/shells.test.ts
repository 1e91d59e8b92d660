import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { defineCommands } from '../../client/src/definitions.ts'
import { manualPage } from '../../client/src/manual.ts'
import { outlineOf } from '../../client/src/shells/outline.ts'
import { Person } from './person.ts'
import { expectOneLine, Home, invitation } from './run.ts'

const { commands } = outlineOf(
  defineCommands({ version: '1.2.3', complain: () => {}, end: () => {} }),
)
const NAMES = commands.map(({ name }) => name)

/** Whether a program is here; with CI=true it has to be, so that nothing goes untried unseen. */
function has(program: string): boolean {
  if (spawnSync('sh', ['-c', `command -v ${program}`]).status === 0) return true
  if (process.env.CI === 'true') return true
  console.warn(`skipped: ${program} is not here`)
  return false
}

let home: Home
const script = (shell: string) => join(home.path, `completion.${shell}`)
beforeAll(async () => {
  home = new Home()
  await home.run(['add', '--name', 'home'], invitation())
  await home.run(['add', '--name', 'hospital'], invitation({ services: [] }))
  for (const shell of ['bash', 'zsh', 'fish']) {
    const run = await home.run(['completion', shell])
    expect(run).toMatchObject({ status: 0, stderr: '' })
    writeFileSync(script(shell), run.stdout)
  }
})
afterAll(() => home.remove())

function lines(program: string, ...args: string[]): string[] {
  const { status, stdout, stderr } = spawnSync(program, args, { env: home.env, encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout.trim().split('\n').sort()
}

/** What each shell offers behind these words, of which the last is being typed. */
const offers: Record<string, (...words: string[]) => string[]> = {
  bash: (...words) => {
    const typed = words.map(word => `'${word}'`).join(' ')
    const code = `source ${script('bash')}; COMP_WORDS=(oneknock ${typed}); COMP_CWORD=${words.length}; _oneknock; printf '%s\\n' "\${COMPREPLY[@]}"`
    return lines('bash', '--norc', '-c', code)
  },
  fish: (...words) => {
    const line = ['oneknock', ...words].join(' ')
    return lines(
      'fish',
      '--no-config',
      '-c',
      `source ${script('fish')}; complete -C '${line}'`,
    ).map(text => text.split('\t')[0]!)
  },
}

describe.each(['bash', 'fish'])('in %s', shell => {
  const here = has(shell)
  const offered = (...words: string[]) => offers[shell]!(...words)
  const matching = (...words: string[]) =>
    offered(...words).filter(word => word.startsWith(words.at(-1)!))

  it.skipIf(!here)('the script parses', () => {
    expect(spawnSync(shell, ['-n', script(shell)])).toMatchObject({ status: 0 })
  })

  it.skipIf(!here)('the commands are offered', () => {
    expect(offered('')).toEqual(expect.arrayContaining(NAMES))
    expect(matching('kn')).toEqual(['knock'])
  })

  it.skipIf(!here)('each command’s options are offered, and only those', () => {
    for (const { name, options } of commands.filter(command => command.options.length > 0)) {
      expect(offered(name, '--')).toEqual(options.map(({ long }) => long).sort())
    }
  })

  it.skipIf(!here)('targets are offered where one belongs, and services behind it', () => {
    for (const command of ['knock', 'show', 'proxy', 'exec', 'lock', 'doctor']) {
      expect(matching(command, 'ho')).toEqual(['home', 'hospital'])
    }
    expect(matching('knock', 'home', '')).toEqual(['ssh', 'wiki'])
    expect(matching('exec', 'home', 'ssh', 'w')).toEqual(['wiki'])
    expect(matching('show', 'home', 'h').filter(word => word !== '')).toEqual([])
  })

  it.skipIf(!here)('shells are offered to be taught', () => {
    expect(matching('completion', '')).toEqual(['bash', 'fish', 'zsh'])
  })

  it.skipIf(!here)('values of options are not taken for words', () => {
    expect(matching('knock', '--lifetime', '1h', 'ho')).toEqual(['home', 'hospital'])
    expect(matching('knock', '--json', 'home', '--address', '::', 's')).toEqual(['ssh'])
  })
})

/** Its completion works on a terminal only, so somebody types. */
describe('in zsh', () => {
  const here = has('zsh')
  let person: Person | undefined
  afterEach(() => person?.leave())

  const sit = async (): Promise<Person> => {
    person = new Person(home, 'TERM=dumb PS1="ready> " zsh -f -i')
    await person.sees(/ready> /)
    person.type(`autoload -Uz compinit; compinit -u -D; source ${script('zsh')}\r`)
    person.type("oneknock() { print typed:$*. }; echo is''taught\r")
    await person.sees(/istaught\r?\n/)
    return person
  }

  it.skipIf(!here)('the script parses', () => {
    expect(spawnSync('zsh', ['-n', script('zsh')])).toMatchObject({ status: 0 })
  })

  it.skipIf(!here)('commands, targets, services and options complete', async () => {
    const at = await sit()
    at.type('oneknock kno\thom\twi\t--if\t\r')
    await at.sees(/typed:knock home wiki --if-needed\./)
  })

  it.skipIf(!here)('what there is to choose from is listed, with what it is', async () => {
    const at = await sit()
    at.type('oneknock knock ho\t\t')
    await at.sees(/home +hospital/)
    at.type('\x15oneknock \t')
    for (const { name, summary } of commands)
      await at.sees(new RegExp(`${name} +-- ${summary.slice(0, 12)}`))
  })

  it.skipIf(!here)('what exec runs completes as it would by itself', async () => {
    const at = await sit()
    at.type('oneknock exec home -- oneknock exe\thos\t\r')
    await at.sees(/typed:exec home -- oneknock exec hospital\./)
  })
})

it('says which shells it can teach', async () => {
  expectOneLine(await home.run(['completion', 'tcsh']), 1, 'bash, zsh, fish')
})

describe('the manual', () => {
  const page = manualPage('1.2.3')
  const text = page.replaceAll('\\-', '-')

  it('holds every command, operand and option, and the texts of the help', () => {
    for (const { name, options, more } of commands) {
      expect(text).toContain(`.SS oneknock ${name}`)
      for (const option of options.filter(({ long }) => long !== '--help')) {
        expect(text).toContain(`.B ${option.text}\n`)
      }
      if (more) expect(more).toMatch(/\S/)
    }
    expect(text).toContain('oneknock exec home -- ssh home.example.com')
  })

  it('is what is shipped', () => {
    const { version } = JSON.parse(readFileSync('client/package.json', 'utf8'))
    expect(readFileSync('client/dist/man/oneknock.1', 'utf8')).toBe(manualPage(version))
  })

  it.skipIf(!has('mandoc'))('has no error that mandoc knows', () => {
    const checked = spawnSync('mandoc', ['-Tlint', '-Werror'], { input: page, encoding: 'utf8' })
    expect(checked).toMatchObject({ status: 0, stdout: '' })
  })

  it.skipIf(!has('man'))('is drawn by man, with what was typed as it was', () => {
    writeFileSync(join(home.path, 'oneknock.1'), page)
    const env = { ...home.env, MANWIDTH: '80', LC_ALL: 'C.UTF-8' }
    const drawn = spawnSync('man', ['--warnings', '-l', join(home.path, 'oneknock.1')], {
      env,
      encoding: 'utf8',
    })
    expect(drawn).toMatchObject({ status: 0, stderr: '' })
    expect(drawn.stdout).toContain("oneknock add --otp-command 'pass otp home'")
    expect(drawn.stdout).toContain('Match originalhost home exec "oneknock knock home --if-needed"')
  })
})
