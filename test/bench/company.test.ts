import { describe, expect, it } from 'vitest'
import { Company } from '../../bench/src/harness/company.ts'

describe('a company', () => {
  it('stops all that has come up, and waits for who is still coming', async () => {
    const stopped: string[] = []
    const one = (name: string) => ({ stop: async () => void stopped.push(name) })
    let arrive = () => {}
    const late = new Promise<ReturnType<typeof one>>(resolve => {
      arrive = () => resolve(one('late'))
    })
    const company = new Company()
    await company.add(Promise.resolve(one('early')))
    const failing = company.add(Promise.reject(new Error('no such program')))
    company.add(late)

    await expect(failing).rejects.toThrow('no such program')
    const stopping = company.stop()
    arrive()
    await stopping
    expect(stopped).toEqual(['early', 'late'])
  })
})
