import { randomFillSync } from 'node:crypto'

/** Fetched at once: asking the system takes microseconds, however little is asked for. */
const POOL_BYTES = 4096

/** Random bytes from a cryptographic source, at most a pool of them; none is given twice, or kept. */
export function pooledRandom(): (bytes: number) => Uint8Array {
  const pool = new Uint8Array(POOL_BYTES)
  let next = POOL_BYTES
  return bytes => {
    if (next + bytes > POOL_BYTES) {
      randomFillSync(pool)
      next = 0
    }
    const piece = pool.slice(next, next + bytes)
    pool.fill(0, next, next + bytes)
    next += bytes
    return piece
  }
}
