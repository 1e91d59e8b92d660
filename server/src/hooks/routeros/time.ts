const SECONDS = { w: 604_800, d: 86_400, h: 3_600, m: 60, s: 1 } as const

/** Seconds of `1w2d3h4m5s`, of `1d02:03:04` or of `00:10:00`: versions differ in how they print. */
export function parseRouterTime(text: string): number | undefined {
  const [, units = '', clock] = /^((?:\d+[wdhms])*)(?:(\d+:\d\d:\d\d)(?:\.\d+)?)?$/.exec(text) ?? []
  if (text === '' || (units === '' && clock === undefined)) return undefined
  let seconds = 0
  for (const [, count, unit] of units.matchAll(/(\d+)([wdhms])/g)) {
    seconds += Number(count) * SECONDS[unit as keyof typeof SECONDS]
  }
  const [hours = 0, minutes = 0, rest = 0] = (clock ?? '').split(':').map(Number)
  return seconds + hours * SECONDS.h + minutes * SECONDS.m + rest
}

export const formatRouterTime = (seconds: number): string => `${seconds}s`
