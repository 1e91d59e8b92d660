import { describe, expect, it } from 'vitest'
import { commandFor } from '../../../server/src/config/command.ts'
import { DEFAULT_CONFIG_FILE } from '../../../server/src/config/defaults.ts'

describe('a command to type next', () => {
  it('is about the same configuration', () => {
    expect(commandFor(DEFAULT_CONFIG_FILE, 'check')).toBe('oneknockd check')
    expect(commandFor('/srv/gate.toml', 'user list')).toBe(
      'oneknockd user list --config /srv/gate.toml',
    )
  })

  it('can be pasted into a shell, whatever the file is called', () => {
    expect(commandFor("/srv/bob's gate.toml", 'check')).toBe(
      "oneknockd check --config '/srv/bob'\\''s gate.toml'",
    )
  })
})
