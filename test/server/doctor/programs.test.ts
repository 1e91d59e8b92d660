import { describe, expect, it } from 'vitest'
import { complaints } from '../../../server/src/doctor/programs.ts'

const saying = (script: string) => complaints(process.execPath, '-e', script)

describe('what a program complains of', () => {
  it('is nothing if all is well, whatever it says', async () => {
    expect(await saying('console.error("by the way")')).toEqual([])
  })

  it('is what it says if it fails, and that it fails if it says nothing', async () => {
    expect(await saying('console.error("one\\ntwo"); process.exit(1)')).toEqual(['one', 'two'])
    expect(await saying('process.exit(1)')).toEqual(['it fails without a word'])
    expect(await saying('process.kill(process.pid, "SIGTERM")')).toHaveLength(1)
  })
})
