import { defineCommands } from './definitions.ts'
import { type Outline, outlineOf } from './shells/outline.ts'

/** The manual page, oneknock(1), from the definitions that the help is made of. In man(7). */
export function manualPage(version: string): string {
  const program = defineCommands({ version, complain: () => {}, end: () => {} })
  const { main, commands } = outlineOf(program)
  return [
    `.TH ONEKNOCK 1 "" "oneknock ${version}" "User Commands"`,
    '.SH NAME',
    'oneknock \\- knock at a server with one packet and a one\\-time code',
    '.SH SYNOPSIS',
    '.B oneknock',
    '.br',
    '.B oneknock',
    '.I command',
    '.RI [ options ]',
    '.SH DESCRIPTION',
    inline(main.description),
    'Without a command it draws itself on the whole terminal.',
    ...flags(main),
    ...preformatted(main.more),
    '.SH COMMANDS',
    ...commands.flatMap(section),
    '.SH FILES',
    ...FILES.flatMap(([name, text]) => ['.TP', `.I ${inline(name)}`, inline(text)]),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(([name, text]) => ['.TP', `.B ${inline(name)}`, inline(text)]),
    '.SH SEE ALSO',
    '.BR ssh (1),',
    '.BR ssh_config (5)',
    '',
  ].join('\n')
}

const FILES: readonly (readonly [string, string])[] = [
  [
    '~/.config/oneknock/TARGET.json',
    'A target and its key: mode 0600, in a folder of mode 0700. Laxer ones are refused.',
  ],
  [
    '$XDG_RUNTIME_DIR/oneknock',
    'Which doors runs on this machine have opened, and whose turn it is to knock. No secrets.',
  ],
]

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['XDG_CONFIG_HOME', 'Takes the place of ~/.config.'],
  ['XDG_RUNTIME_DIR, XDG_STATE_HOME', 'Where it notes what is open, in this order.'],
  ['SSH_ASKPASS, SSH_ASKPASS_REQUIRE', 'Who asks where there is no terminal, as in ssh.'],
  ['NO_COLOR', 'No colours.'],
]

const section = (command: Outline): string[] => [
  `.SS oneknock ${inline(command.name)} ${inline(command.usage.replace(/^\S+ \S+ /, ''))}`,
  inline(command.description),
  ...command.operands
    .filter(({ description }) => description !== '')
    .flatMap(({ name, description }) => ['.TP', `.I ${inline(name)}`, inline(description)]),
  ...flags({ ...command, options: command.options.filter(({ long }) => long !== '--help') }),
  ...preformatted(command.more),
]

const flags = ({ options }: Outline): string[] =>
  options.flatMap(({ text, description }) => ['.TP', `.B ${inline(text)}`, inline(description)])

/** As the help has it, in lines and columns. */
const preformatted = (text: string): string[] =>
  text === '' ? [] : ['.PP', '.nf', ...text.split('\n').map(inline), '.fi']

/** A hyphen is one that can be copied, and nothing at the head of a line is a request. */
const inline = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replace(/^\./, '\\&.')
