import { Terminal } from '../terminal.ts'
import { BIN, type Home } from './run.ts'

/** Somebody at home, at a terminal. */
export class Person extends Terminal {
  constructor(home: Home, line: string) {
    super(line, { ...home.env, BIN, NODE: process.execPath })
  }
}
