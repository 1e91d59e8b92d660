import { Elements, Members, Text } from '../core/recorded.ts'

/**
 * The JSON of a value, the same text as JSON.stringify's, in pieces: of what may be large, a member or
 * an element each.
 */
export function* piecesOf(value: unknown): Generator<string> {
  if (value instanceof Members) yield* members(value.each)
  else if (value instanceof Elements) yield* elements(value.each)
  else if (value instanceof Text) yield* text(value.each)
  else if (Array.isArray(value)) yield* plainList(value)
  else if (typeof value === 'object' && value !== null) yield* plainObject(value)
  else yield JSON.stringify(value)
}

function* members(each: Members<unknown>['each']): Generator<string> {
  let before = '{'
  for (const [key, value] of each) {
    yield `${before}${JSON.stringify(key)}:${JSON.stringify(value)}`
    before = ','
  }
  yield before === '{' ? '{}' : '}'
}

function* elements(each: Elements<unknown>['each']): Generator<string> {
  let before = '['
  for (const value of each) {
    yield before + JSON.stringify(value)
    before = ','
  }
  yield before === '[' ? '[]' : ']'
}

function* text(each: Text['each']): Generator<string> {
  yield '"'
  for (const part of each) yield JSON.stringify(part).slice(1, -1)
  yield '"'
}

function* plainObject(object: object): Generator<string> {
  let before = '{'
  for (const [key, value] of Object.entries(object)) {
    if (value === undefined) continue
    yield `${before}${JSON.stringify(key)}:`
    yield* piecesOf(value)
    before = ','
  }
  yield before === '{' ? '{}' : '}'
}

function* plainList(list: readonly unknown[]): Generator<string> {
  let before = '['
  for (const value of list) {
    yield before
    yield* piecesOf(value ?? null)
    before = ','
  }
  yield before === '[' ? '[]' : ']'
}
