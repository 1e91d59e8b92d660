/**
 * MiB by which the highest figure of the last third may be above that of the second. A heap is a saw: it
 * grows until the engine finds it worth cleaning, and which third has the highest tooth is chance, of
 * about the size of the engine's nursery (three times 16 MiB). In a run of 25 minutes this much is
 * some 350 bytes of each good knock, or eight of each junk packet.
 */
const TOOTH_MIB = 48

/**
 * What is wrong with resident memory, measured at equal distances; nothing if it is flat. The first third
 * fills what is bounded by time: packets are remembered for minutes, a device's knocks up to 64.
 */
export function growth(mib: readonly number[]): string | undefined {
  const third = Math.floor(mib.length / 3)
  const before = Math.max(...mib.slice(third, 2 * third))
  const after = Math.max(...mib.slice(2 * third))
  if (third === 0 || after <= before + TOOTH_MIB) return undefined
  return `its memory grows: ${before} MiB in the second third, ${after} in the last`
}
