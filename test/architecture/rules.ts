import type { Import } from './imports.ts'

/** A rule of the layout, and which imports break it. */
export interface Rule {
  readonly rule: string
  readonly isBroken: (one: Import) => boolean
}

/** What each package declares that it depends on. */
export type Declared = Readonly<Record<string, readonly string[]>>

const isRelative = (to: string): boolean => /^(\.\.?|shared|client|server|test|bench)\//.test(to)
const packageOf = (path: string): string => path.split('/')[0]!

/** `core/openings.ts` and `core/a/b.ts` are of `core`; `server/src/ledger.ts` is of `ledger`. */
const partOf = (path: string): string | undefined =>
  /^server\/src\/([a-z-]+)(?:\/|\.ts$)/.exec(path)?.[1]

/** What the layout calls one level: none of them may know another. */
const EDGES = ['listeners', 'hooks', 'ledger']
/** Who starts and administers the daemon, and so knows the one that puts it together. */
const STARTERS = ['main', 'commands', 'administration']
const ABOVE_GATEKEEPER = ['compose', ...STARTERS]
const ABOVE_EDGES = ['gatekeeper', ...ABOVE_GATEKEEPER]
const SEAMS = ['server/src/listeners/listener.ts', 'server/src/hooks/hook.ts']

const isNoble = (to: string): boolean => to.startsWith('@noble/')

const isConcrete = (to: string): boolean =>
  ['listeners', 'hooks'].includes(partOf(to) ?? '') && !SEAMS.includes(to)

/** `a` of `a/b`, `@a/b` of `@a/b/c`. */
const dependencyOf = (to: string): string => to.split('/', to.startsWith('@') ? 2 : 1).join('/')

export const rulesFor = (declared: Declared): readonly Rule[] => [
  {
    rule: 'shared runs anywhere: it imports noble, otpauth and itself',
    isBroken: ({ from, to }) =>
      packageOf(from) === 'shared' && !isRelative(to) && !isNoble(to) && to !== 'otpauth',
  },
  {
    rule: 'the core is pure: it imports shared, noble and itself',
    isBroken: ({ from, to }) =>
      partOf(from) === 'core' && partOf(to) !== 'core' && to !== '@oneknock/shared' && !isNoble(to),
  },
  {
    rule: 'listeners, hooks and the ledger do not know each other',
    isBroken: ({ from, to }) => {
      const [one, other] = [partOf(from) ?? '', partOf(to) ?? '']
      return EDGES.includes(one) && EDGES.includes(other) && one !== other
    },
  },
  {
    rule: 'listeners, hooks and the ledger know nothing above them',
    isBroken: ({ from, to }) =>
      EDGES.includes(partOf(from) ?? '') && ABOVE_EDGES.includes(partOf(to) ?? ''),
  },
  {
    rule: 'the gatekeeper knows nothing above it',
    isBroken: ({ from, to }) =>
      partOf(from) === 'gatekeeper' && ABOVE_GATEKEEPER.includes(partOf(to) ?? ''),
  },
  {
    rule: 'only compose names concrete listeners and hooks',
    isBroken: ({ from, to }) =>
      isConcrete(to) && partOf(from) !== 'compose' && partOf(from) !== partOf(to),
  },
  {
    rule: 'only what starts the daemon knows compose and main',
    isBroken: ({ from, to }) =>
      ['compose', 'main'].includes(partOf(to) ?? '') &&
      !STARTERS.includes(partOf(from) ?? '') &&
      partOf(from) !== partOf(to),
  },
  {
    rule: 'no import leaves its package by a path',
    isBroken: ({ from, to }) => isRelative(to) && packageOf(to) !== packageOf(from),
  },
  {
    rule: 'shared is imported by its name alone',
    isBroken: ({ to }) => to.startsWith('@oneknock/') && to !== '@oneknock/shared',
  },
  {
    rule: 'client and server do not know each other',
    isBroken: ({ to }) => ['oneknock', 'oneknockd'].includes(dependencyOf(to)),
  },
  {
    rule: 'what is imported is declared in the package that imports it',
    isBroken: ({ from, to }) =>
      !isRelative(to) &&
      !to.startsWith('node:') &&
      !(declared[packageOf(from)] ?? []).includes(dependencyOf(to)),
  },
]
