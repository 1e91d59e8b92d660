/** A base chain has a hook; the others are jumped to. */
export interface Chain {
  readonly family: string
  readonly table: string
  readonly name: string
  readonly type?: string
  readonly hook?: string
  readonly policy?: string
  readonly rules: readonly Rule[]
}

export interface Rule {
  readonly handle: number
  readonly statements: readonly Statement[]
}

/** One statement has one key, which names it. */
export type Statement = Readonly<Record<string, unknown>>

export interface Ruleset {
  readonly chains: readonly Chain[]
  /** `family table`, of all tables. */
  readonly tables: readonly string[]
  /** `family table name`: connections that pass by all chains. */
  readonly flowtables: readonly string[]
}

interface Listed {
  readonly family: string
  readonly table: string
  readonly name: string
}

/** As `nft --json list ruleset` prints it (libnftables-json(5)). */
export function parseRuleset(text: string): Ruleset {
  const { nftables } = JSON.parse(text) as { nftables: readonly Record<string, unknown>[] }
  const all = <T>(kind: string) => nftables.flatMap(one => (kind in one ? [one[kind] as T] : []))
  const rules = all<{
    family: string
    table: string
    chain: string
    handle: number
    expr: readonly Statement[]
  }>('rule')
  return {
    chains: all<Omit<Chain, 'rules'>>('chain').map(chain => ({
      ...chain,
      rules: rules
        .filter(rule => rule.family === chain.family && rule.table === chain.table)
        .filter(rule => rule.chain === chain.name)
        .map(({ handle, expr }) => ({ handle, statements: expr })),
    })),
    tables: all<Omit<Listed, 'table'>>('table').map(({ family, name }) => `${family} ${name}`),
    flowtables: all<Listed>('flowtable').map(
      ({ family, table, name }) => `${family} ${table} ${name}`,
    ),
  }
}

/** The `protocol . port` elements of one set, as `nft --json list set` prints it. */
export function parseElements(text: string): (readonly [string, number])[] {
  const { nftables } = JSON.parse(text) as {
    nftables: readonly { set?: { elem?: readonly Element[] } }[]
  }
  return nftables.flatMap(({ set }) => set?.elem ?? []).map(({ elem }) => elem.val.concat)
}

/** One with a timeout: others are printed without what is around them. */
interface Element {
  readonly elem: { readonly val: { readonly concat: readonly [string, number] } }
}
