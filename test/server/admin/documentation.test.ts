import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildDaemon, Daemon } from '../../e2e/daemon.ts'
import { describeWithNamespaces } from '../../netns/lab.ts'
import { holdNamespace, Namespace } from '../../netns/namespace.ts'
import type { Outcome } from '../commands/cli.ts'
import { type Enrolled, Gateway } from './gateway.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const TEXT = readFileSync(join(ROOT, 'docs/administration.md'), 'utf8')

interface Shown {
  readonly args: readonly string[]
  /** What is printed; `…` stands for anything. */
  readonly output: RegExp
}

/** The commands in the blocks of one kind, in their order, and what the page says they print. */
function commandsIn(kind: string): Shown[] {
  const blocks = [...TEXT.matchAll(new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))]
  const commands = blocks.flatMap(([, block]) => block!.split(/^# oneknockd /m).slice(1))
  return commands.map(text => {
    const [line = '', ...printed] = text.trimEnd().split('\n')
    const pattern = printed.map(asPattern).join('\n')
    return { args: line.split(' '), output: new RegExp(`^${pattern}`) }
  })
}

const asPattern = (line: string): string =>
  line
    .split('…')
    .map(part => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&').replaceAll(/ {2,}/g, ' +'))
    .join('[\\s\\S]*')

const expectShown = ({ status, stdout, stderr }: Outcome, { args, output }: Shown) => {
  expect({ args, status, stderr: status === 0 ? '' : stderr }).toEqual({
    args,
    status: 0,
    stderr: '',
  })
  expect(stdout).toMatch(output)
}

describe('docs/administration.md', () => {
  let g: Gateway
  let alice: Enrolled
  beforeEach(async () => {
    g = await Gateway.make()
    alice = await g.add('alice')
    await g.start()
  })
  afterEach(() => g.remove())

  it('shows commands that do what it says', async () => {
    const shown = commandsIn('console')
    expect(shown.length).toBeGreaterThan(10)
    let grant = ''
    for (const one of shown) {
      if (one.args[0] === 'grants') await g.letIn(alice)
      const args = one.args.map(arg => (arg === 'GRANT' ? grant : arg))
      expectShown(await g.run(...args), one)
      if (one.args[0] === 'grants') grant = (await g.json('grants'))[0].grant
    }
  })

  it('names commands that there are, and files that are shipped', async () => {
    const named = [...TEXT.matchAll(/`oneknockd ([a-z]+(?: [a-z]+)?)/g)].map(([, words]) => words!)
    const { stdout } = await g.run('--help')
    for (const words of new Set(named)) {
      const [first = ''] = words.split(' ')
      expect(stdout).toMatch(new RegExp(`^  ${first}[ |]`, 'm'))
    }
    const files = TEXT.matchAll(/^cp (\S+\.conf) /gm)
    for (const [, file] of files) expect(existsSync(join(ROOT, 'server/systemd', file!))).toBe(true)
    for (const [, unit] of TEXT.matchAll(/^\| `(\S+\.service)`/gm)) {
      expect(existsSync(join(ROOT, 'server/systemd', unit!))).toBe(true)
    }
  })
})

describeWithNamespaces('docs/administration.md, the guard', () => {
  let host: Namespace
  let program: Awaited<ReturnType<typeof buildDaemon>>
  let daemon: Daemon
  beforeAll(async () => {
    ;[host, program] = [new Namespace(await holdNamespace()), await buildDaemon()]
    const config = `public = "gate.example.com"\nstate = "state"
[firewall]\nbackend = "nftables"\n[services.ssh]\nports = ["tcp/22"]\n`
    daemon = new Daemon(host, program.path, () => config)
  })
  afterAll(async () => {
    await daemon?.remove()
    await host?.destroy()
    program?.remove()
  })

  it('shows commands that do what it says', async () => {
    const shown = commandsIn('firewall')
    expect(shown.length).toBeGreaterThan(2)
    for (const one of shown) {
      expectShown(await daemon.command(...one.args), one)
    }
  })
})
