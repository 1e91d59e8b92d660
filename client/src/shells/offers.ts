import type { Operand, Outline } from './outline.ts'

/** What can be offered for an operand: known words, or something that only the person's own files tell. */
export type Offer =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'targets' }
  | { readonly kind: 'services' }
  | { readonly kind: 'nothing' }

export function offerFor({ name, choices }: Operand, commands: readonly Outline[]): Offer {
  switch (name) {
    case 'target':
      return { kind: 'targets' }
    case 'service':
      return { kind: 'services' }
    case 'command':
      return { kind: 'words', words: commands.map(command => command.name) }
    default:
      return choices.length > 0 ? { kind: 'words', words: choices } : { kind: 'nothing' }
  }
}

/** Options whose value is the next word: the same in every command that has them. */
export const valuedOptions = (commands: readonly Outline[]): string[] => [
  ...new Set(
    commands.flatMap(({ options }) => options.flatMap(({ long, value }) => (value ? long : []))),
  ),
]

/** Prints the services in a profile as this program writes it, for `sed -n`. */
export const SERVICES_SCRIPT = '/"services": \\[/,/\\]/s/^ *"\\([a-z0-9-]*\\)",*$/\\1/p'
