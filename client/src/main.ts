#!/usr/bin/env node
import { readPlainKnock } from './plain-knock.ts'

const args = process.argv.slice(2)
const plain = readPlainKnock(args)
const running = plain
  ? import('./plain-program.ts').then(({ runPlainKnock }) => runPlainKnock(plain))
  : import('./program.ts').then(({ run }) => run(args))
// Not left to the event loop: a resolver that hangs would keep the process after its answer.
running.then(status => process.exit(status))
