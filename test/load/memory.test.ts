import { describe, expect, it } from 'vitest'
import { growth } from './memory.ts'

describe('resident memory', () => {
  const filling = [80, 120, 160, 200]

  it('is flat if it swings, and if it filled before', () => {
    expect(growth([...filling, 200, 260, 210, 250, 220, 300, 230, 200])).toBeUndefined()
    expect(growth([...filling, 290, 260, 280, 250, 260, 255, 230, 200])).toBeUndefined()
  })

  it('is not if the last third goes well beyond the second', () => {
    const found = growth([...filling, 210, 230, 250, 270, 290, 310, 330, 350])
    expect(found).toBe('its memory grows: 270 MiB in the second third, 350 in the last')
  })
})
