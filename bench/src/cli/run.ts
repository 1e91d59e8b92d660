import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { endChildren } from '../harness/children.ts'
import type { Figure } from '../harness/figures.ts'
import { makeScratch, removeScratch, settleDisk } from '../harness/scratch.ts'
import type { PlotName, PlotSeries, Scenario } from '../scenarios/scenario.ts'

/** What a run of the bench came to. */
export interface Outcome {
  readonly figures: readonly Figure[]
  readonly skipped: readonly { readonly what: string; readonly why: string }[]
  readonly failed: readonly { readonly what: string; readonly why: string }[]
  readonly plots: Readonly<Partial<Record<PlotName, PlotSeries>>>
}

/** Runs one after the other; one that fails takes no other with it. */
export async function runAll(
  scenarios: readonly Scenario[],
  full: boolean,
  say: (line: string) => void,
): Promise<Outcome> {
  const figures: Figure[] = []
  const skipped: { what: string; why: string }[] = []
  const failed: { what: string; why: string }[] = []
  const plots: Partial<Record<PlotName, PlotSeries>> = {}
  const scratch = makeScratch()
  for (const [i, { rows, title, lacks, run }] of scenarios.entries()) {
    const why = lacks?.()
    if (why) {
      skipped.push({ what: title, why })
      say(`${rows}  ${title}: skipped, ${why}`)
      continue
    }
    say(`${rows}  ${title}`)
    const folder = join(scratch, `${i}`)
    mkdirSync(folder)
    try {
      figures.push(
        ...(await run({
          folder,
          full,
          skip: (what, why) => skipped.push({ what, why }),
          plot(name, series) {
            plots[name] = { ...plots[name], ...series }
          },
        })),
      )
    } catch (error) {
      failed.push({ what: title, why: (error as Error).message })
      say(`   failed: ${(error as Error).message}`)
      endChildren() // What it had begun would keep the run from ending.
    }
    removeScratch(folder)
    settleDisk()
  }
  removeScratch(scratch)
  figures.sort((a, b) => a.row - b.row)
  return { figures, skipped, failed, plots }
}
