import type { Results } from './results.ts'

/** What never came to an end is null, since JSON has no infinity; the plots' points are left out. */
export const toJson = ({ plots: _, ...results }: Results): string =>
  `${JSON.stringify(results, undefined, 2)}\n`
