import { describe, expect, it } from 'vitest'
import { findCircle, importsOf, readSources } from './architecture/imports.ts'
import { declaredBy, isUi, type Locked, readLock, treeOf } from './architecture/packages.ts'
import { rulesFor } from './architecture/rules.ts'

/** What is shipped. Tests and the benchmark take the sources apart, and are free to. */
const SHIPPED = ['shared', 'client', 'server']

const locked = readLock()
const rules = rulesFor(
  Object.fromEntries(SHIPPED.map(folder => [folder, declaredBy(locked, folder)])),
)
const imports = readSources(...SHIPPED.map(folder => `${folder}/src`)).flatMap(importsOf)

const broken = (tried: typeof imports) =>
  tried.flatMap(one =>
    rules
      .filter(({ isBroken }) => isBroken(one))
      .map(({ rule }) => `${one.from} imports ${one.to}: ${rule}`),
  )

describe('imports run one way', () => {
  it('in every source file', () => {
    expect(imports.length).toBeGreaterThan(100)
    expect(broken(imports)).toEqual([])
  })

  it('and never in a circle', () => {
    expect(findCircle(imports)).toEqual([])
  })
})

describe('the rules bite', () => {
  const violations: readonly (readonly [path: string, text: string, rule: string])[] = [
    ['shared/src/x.ts', "import { open } from 'node:fs'", 'shared runs anywhere'],
    ['shared/src/x.ts', "import type { Buffer } from 'node:buffer'", 'shared runs anywhere'],
    ['shared/src/x.ts', "export * from 'valibot'", 'shared runs anywhere'],
    ['server/src/core/x.ts', "import 'node:crypto'", 'the core is pure'],
    ['server/src/core/x.ts', "import { log } from '../log.ts'", 'the core is pure'],
    ['server/src/core/x.ts', "import type { Hook } from '../hooks/hook.ts'", 'the core is pure'],
    ['server/src/core/x.ts', "const p = import('pino')", 'the core is pure'],
    ['server/src/hooks/x.ts', "import { a } from '../listeners/listener.ts'", 'do not know each'],
    ['server/src/listeners/x.ts', "import { a } from '../ledger/ledger.ts'", 'do not know each'],
    ['server/src/ledger/x.ts', "import { a } from '../hooks/hook.ts'", 'do not know each'],
    ['server/src/hooks/a/x.ts', "import { a } from '../../gatekeeper.ts'", 'nothing above them'],
    ['server/src/listeners/x.ts', "import { a } from '../commands/run.ts'", 'nothing above them'],
    ['server/src/gatekeeper.ts', "import { a } from './compose.ts'", 'gatekeeper knows nothing'],
    ['server/src/gatekeeper.ts', "import { a } from './hooks/gate.ts'", 'only compose names'],
    ['server/src/doors.ts', "import { a } from './hooks/nftables/x.ts'", 'only compose names'],
    ['server/src/commands/x.ts', "import { a } from '../listeners/udp.ts'", 'only compose names'],
    ['server/src/doors.ts', "import { a } from './compose.ts'", 'only what starts the daemon'],
    [
      'server/src/core/x.ts',
      "import { a } from '../../../shared/src/keys.ts'",
      'leaves its package',
    ],
    ['client/src/x.ts', "import { a } from '../../server/src/log.ts'", 'leaves its package'],
    ['client/src/x.ts', "import { a } from '@oneknock/shared/dist/keys.js'", 'by its name alone'],
    ['client/src/x.ts', "import { a } from 'oneknockd'", 'do not know each other'],
    ['server/src/x.ts', "import { knock } from 'oneknock'", 'do not know each other'],
    ['server/src/x.ts', "import { render } from 'ink'", 'declared in the package'],
    ['client/src/x.ts', "import {\n  type A,\n  b,\n} from 'valibot'", 'declared in the package'],
    ['client/src/x.ts', "import { a } from 'fs'", 'declared in the package'],
    ['client/src/x.ts', 'const a = await import(name)', 'declared in the package'],
    ['client/src/x.ts', "const a = require('commander')", 'declared in the package'],
  ]
  it.each(violations)('%s: %s', (path, text, rule) => {
    expect(broken(importsOf({ path, text })).join('\n')).toContain(rule)
  })

  const allowed: readonly (readonly [path: string, text: string])[] = [
    ['shared/src/x.ts', "import { sha256 } from '@noble/hashes/sha2.js'"],
    [
      'server/src/core/x.ts',
      "import { a } from '@oneknock/shared'\nimport { b } from './clock.ts'",
    ],
    [
      'server/src/hooks/x.ts',
      "import { a } from './hook.ts'\nimport { b } from '../core/clock.ts'",
    ],
    ['server/src/compose.ts', "import { a } from './hooks/gate.ts'"],
    ['server/src/gatekeeper.ts', "import type { Hook } from './hooks/hook.ts'"],
    ['client/src/x.ts', " * import { knock } from 'oneknock'"],
    ['client/src/x.ts', "const text = 'import of something'"],
  ]
  it.each(allowed)('and leave alone %s: %s', (path, text) => {
    expect(broken(importsOf({ path, text }))).toEqual([])
  })

  it('finds a circle, and a way that meets itself but is none', () => {
    const way = (...names: readonly string[]) =>
      names.slice(1).map((to, i) => ({ from: names[i]!, to, isType: false }))
    expect(findCircle(way('a', 'b', 'c', 'b'))).toEqual(['b', 'c', 'b'])
    expect(findCircle([...way('a', 'b', 'd'), ...way('a', 'c', 'd')])).toEqual([])
    const circle = [
      { path: 'shared/src/a.ts', text: "import { b } from './b.ts'" },
      { path: 'shared/src/b.ts', text: "import { type A, a } from './a.ts'" },
    ]
    expect(findCircle(circle.flatMap(importsOf))).toHaveLength(3)
    const ofTypes = [circle[0]!, { ...circle[1]!, text: "import type { A } from './a.ts'" }]
    expect(findCircle(ofTypes.flatMap(importsOf))).toEqual([])
  })
})

describe('what is installed', () => {
  it.each(['server', 'shared'])('with %s draws nothing on a terminal', folder => {
    const tree = [...treeOf(locked, folder)]
    expect(tree).toContain('@noble/hashes')
    expect(tree.filter(isUi)).toEqual([])
  })

  it('is found through links, nested folders and other packages, and named', () => {
    const made: Locked = {
      server: { dependencies: { '@oneknock/shared': '1', pino: '1' } },
      shared: { dependencies: { helper: '1' } },
      'node_modules/@oneknock/shared': { link: true, resolved: 'shared' },
      'node_modules/pino': { dependencies: { inner: '1', helper: '2' } },
      'node_modules/pino/node_modules/inner': { dependencies: { react: '19', pino: '1' } },
      'node_modules/helper': { optionalDependencies: { chalk: '5', missing: '1' } },
      'node_modules/chalk': {},
      'node_modules/react': {},
      'node_modules/ink': { dependencies: { react: '19' } },
    }
    expect([...treeOf(made, 'server')].filter(isUi).sort()).toEqual(['chalk', 'react'])
    expect([...treeOf(made, 'shared')].filter(isUi)).toEqual(['chalk'])
    expect(['ink', 'ink-text-input', '@inkjs/ui', 'react-dom'].every(isUi)).toBe(true)
    expect(['pino', 'qr', 'commander', 'inkling', 'link'].some(isUi)).toBe(false)
  })
})
