import { execFileSync, spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { makeNetwork } from '../../bench/src/harness/netns.ts'
import { describeWithNamespaces } from '../netns/lab.ts'

describeWithNamespaces('the networks of the bench', () => {
  const named = () => execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })

  it('are gone when they are removed, and with the next ones if their run was killed', () => {
    const { pid } = spawnSync('true')
    const forsaken = `okb-${pid}-0-server`
    execFileSync('ip', ['netns', 'add', forsaken])
    const network = makeNetwork(1)
    try {
      expect(named()).toContain(`okb-${process.pid}-`)
      expect(named()).not.toContain(forsaken)
    } finally {
      network.remove()
      spawnSync('ip', ['netns', 'del', forsaken])
    }
    expect(named()).not.toContain(`okb-${process.pid}-`)
  })
})
