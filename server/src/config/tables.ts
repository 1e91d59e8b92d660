import * as v from 'valibot'
import { describeFound, type Path, type Problem } from './error.ts'
import { nearest } from './suggest.ts'
import { isTable, type Table } from './toml.ts'

/**
 * Valibot's own objects and records report only the first unknown key, and silently leave out one
 * called `constructor`; here every key is either known or an error.
 */

type Schema = v.GenericSchema
type Shape = Readonly<Record<string, Schema>>
type Output<S extends Shape> = { readonly [K in keyof S]: v.InferOutput<S[K]> }

/** Issue marks of an unknown key, which `problemsOf` turns into a code. */
const UNKNOWN = 'a known key'

/** A table with these keys and no other. A key that is left out is given to its schema as `undefined`. */
export function table<const S extends Shape>(shape: S) {
  const known = Object.keys(shape)
  return v.pipe(
    v.custom<Table>(isTable, 'write a table'),
    v.rawTransform<Table, Output<S>>(({ dataset, addIssue }) => {
      const input = dataset.value
      for (const key of Object.keys(input)) {
        if (Object.hasOwn(shape, key)) continue
        const message = unknownKey(key, known)
        addIssue({ message, expected: UNKNOWN, path: [step(input, key)] })
      }
      const output: Record<string, unknown> = {}
      for (const key of known) output[key] = item(shape[key]!, input, key, addIssue)
      return output as Output<S>
    }),
  )
}

/** A table whose keys are names of the administrator's, each with the same kind of value. */
export function tableOf<S extends Schema>(
  isKey: (key: string) => boolean,
  rule: string,
  schema: S,
) {
  return v.pipe(
    v.custom<Table>(isTable, 'write a table'),
    v.rawTransform<Table, ReadonlyMap<string, v.InferOutput<S>>>(({ dataset, addIssue }) => {
      const input = dataset.value
      const map = new Map<string, v.InferOutput<S>>()
      for (const key of Object.keys(input)) {
        if (!isKey(key)) addIssue({ message: rule, expected: UNKNOWN, path: [step(input, key)] })
        map.set(key, item(schema, input, key, addIssue))
      }
      return map
    }),
  )
}

/** Every element on its own, so that each bad one is named. */
export function list<S extends Schema>(schema: S, message: string) {
  return v.pipe(
    v.custom<readonly unknown[]>(Array.isArray, message),
    v.rawTransform<readonly unknown[], v.InferOutput<S>[]>(({ dataset, addIssue }) =>
      dataset.value.map((_, index) => item(schema, dataset.value, index, addIssue)),
    ),
  )
}

/** A text that a parser understands; the message says which texts it does. */
export const parsed = <T>(parse: (text: string) => T | undefined, message: string) =>
  v.pipe(
    v.string(message),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const value = parse(dataset.value)
      if (value !== undefined) return value
      addIssue({ message })
      return NEVER
    }),
  )

/** What a failed schema says, in this project's words. */
export function problemsOf(issues: readonly v.BaseIssue<unknown>[]): Problem[] {
  return issues.map(({ path: steps = [], input, expected, message }) => {
    const path: Path = steps.map(({ key }) => key as string | number)
    const value = steps.length > 0 ? steps.at(-1)?.value : input
    if (expected === UNKNOWN) return { code: 'unknown-key', path, message }
    if (value === undefined) return { code: 'missing', path, message: `nothing there; ${message}` }
    const found = describeFound(value, path)
    return { code: 'value', path, message, ...(found !== undefined && { found }) }
  })
}

interface Issue {
  readonly message: string
  readonly expected: string | undefined
  readonly path: [v.IssuePathItem, ...v.IssuePathItem[]]
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known)
  return meant === undefined
    ? `no such key; those known here are ${known.join(', ')}`
    : `no such key; did you mean ${meant}?`
}

/** One value of a table or list. Where it fails, its issues become the container's, one step deeper. */
function item<S extends Schema>(
  schema: S,
  container: object,
  key: string | number,
  addIssue: (issue: Issue) => void,
): v.InferOutput<S> | undefined {
  const result = v.safeParse(schema, (container as Table)[key])
  if (result.success) return result.output
  for (const { message, expected, path = [] } of result.issues) {
    addIssue({ message, expected: expected ?? undefined, path: [step(container, key), ...path] })
  }
  return undefined
}

const step = (input: object, key: string | number): v.IssuePathItem => ({
  type: 'unknown',
  origin: 'value',
  input,
  key,
  value: (input as Table)[key],
})
