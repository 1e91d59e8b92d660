import { describe, expect, it } from 'vitest'
import { sshCommand } from '../../../client/src/tui/ssh.ts'

const command = (config: string) => sshCommand('home', 'gate.example.com', config)

describe('the ssh command', () => {
  it.each([
    'Host home\n  User alice',
    'Host *.example.org\n\nhost office home # mine',
    'Match originalhost home exec "oneknock knock home --if-needed"',
    'match exec true originalhost office,home',
    '  Match host home',
    'Host=home',
  ])('goes by the name that ssh knows: %j', config => {
    expect(command(config)).toBe('ssh home')
  })

  it.each([
    '',
    'Host homer',
    '# Host home',
    'Hostname home',
    'Host *\n  ProxyCommand oneknock proxy home %h %p',
    'Match exec "oneknock knock home"',
    'Match originalhost work exec "oneknock knock home --if-needed"',
  ])('else to the server: %j', config => {
    expect(command(config)).toBe('ssh gate.example.com')
  })
})
