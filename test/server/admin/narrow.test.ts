import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Terminal } from '../../terminal.ts'
import { MAIN } from '../commands/cli.ts'
import { Gateway } from './gateway.ts'

const COLUMNS = 60

describe('on a terminal of 60 columns', () => {
  let g: Gateway
  beforeAll(async () => {
    g = await Gateway.make()
    await g.start()
    await g.letIn(await g.add('alice'))
  })
  afterAll(() => g.remove())

  it.each(['status', 'grants', 'audit show', 'audit tail', 'user show alice', 'doctor'])(
    'no line of %s is broken by the terminal',
    async command => {
      const line = `stty cols ${COLUMNS}; ${process.execPath} ${MAIN} -c ${g.config} ${command}`
      const env = { PATH: process.env.PATH, TERM: 'xterm', NO_COLOR: '1' }
      const terminal = new Terminal(`${line}; echo END`, env)
      const shown = await terminal.sees('END')
      terminal.leave()
      // A path has no place to be broken at.
      const lines = shown.split('\r\n').filter(line => !line.includes(g.folder))
      expect(lines.length).toBeGreaterThan(2)
      expect(lines.filter(line => line.length > COLUMNS)).toEqual([])
    },
  )
})
