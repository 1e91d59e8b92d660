import { spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { write } from '../config/scratch.ts'
import { lacking, MAIN, run } from './cli.ts'
import { site } from './site.ts'

const complete = async (...words: string[]) => {
  const s = site()
  write(s.userFile('alice'), '')
  write(s.userFile('bob'), '')
  const env = { ONEKNOCKD_CONFIG: s.config }
  const { stdout } = await run([process.execPath, MAIN, 'complete', '--', ...words], { env })
  return stdout.trim().split('\n')
}

it.each([
  [['us'], ['user']],
  [
    ['user', 'l'],
    ['list', 'lock'],
  ],
  [['user', 'lock', ''], expect.arrayContaining(['alice', 'bob', '--json', '--config', '--help'])],
  [['user', 'add', 'a'], ['']],
  [['device', 'add', 'a'], ['alice']],
  [['device', 'add', 'alice', 'a'], ['']],
  [['--config', 'x', 'fire'], ['firewall']],
  [
    ['init', '--backend', 'n'],
    ['nftables', 'none'],
  ],
  [['audit', 'repair', '--acc'], ['--accept-forgetting']],
  [['completion', ''], expect.arrayContaining(['bash', 'zsh', 'fish'])],
])('%j', async (words, expected) => {
  expect(await complete(...words)).toEqual(expected)
})

/** A folder with the program in it, by its name. */
function installed(): { folder: string; env: Record<string, string> } {
  const { folder } = site()
  const program = join(folder, 'oneknockd')
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`)
  chmodSync(program, 0o755)
  return { folder, env: { PATH: `${folder}:${process.env.PATH}`, HOME: folder } }
}

it('bash completes by it', async () => {
  const script = `source <(oneknockd completion bash)
    COMP_WORDS=(oneknockd fire); COMP_CWORD=1; _oneknockd
    echo "\${COMPREPLY[@]}"; complete -p oneknockd`
  const { stdout, stderr } = await run(['bash', '-c', script], installed())
  expect(`${stderr}${stdout}`).toBe('firewall\ncomplete -o default -F _oneknockd oneknockd\n')
})

const has = (shell: string) => spawnSync(shell, ['--version']).status === 0

it.skipIf(lacking(has('fish')))('fish completes by it', async () => {
  const script = 'oneknockd completion fish | source; complete -C "oneknockd user lo"'
  const { stdout, stderr } = await run(['fish', '--no-config', '-c', script], installed())
  expect(`${stderr}${stdout}`).toBe('lock\n')
})

it.skipIf(lacking(has('zsh')))('zsh finds no fault with it', async () => {
  const { folder, env } = installed()
  const { stdout } = await run(['oneknockd', 'completion', 'zsh'], { env })
  const file = write(join(folder, 'script'), stdout)
  expect(await run(['zsh', '-n', file])).toMatchObject({ status: 0, stderr: '' })
})

it('knows no other shell', async () => {
  expect((await site().run(['completion', 'tcsh'])).stderr).toContain('bash, zsh, fish')
})
