import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * A page of docs/recipes, taken at its word: the files that it shows, with the names of the reader's
 * world replaced by those of the test's.
 */
export class Recipe {
  readonly #name: string
  readonly #text: string

  constructor(name: string) {
    this.#name = name
    const path = fileURLToPath(new URL(`../../docs/recipes/${name}.md`, import.meta.url))
    this.#text = readFileSync(path, 'utf8')
  }

  /** The file of that path; everything that is to be replaced must be there. */
  file(path: string, replace: Readonly<Record<string, string>> = {}): string {
    const block = [...this.#text.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)].find(
      ([, name]) => name === path,
    )
    if (!block) throw new Error(`${this.#name} shows no ${path}`)
    let text = block[2]!
    for (const [from, to] of Object.entries(replace)) {
      if (!text.includes(from)) throw new Error(`${path} of ${this.#name} has no ${from}`)
      text = text.replaceAll(from, to)
    }
    return text
  }
}
