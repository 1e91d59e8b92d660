#!/usr/bin/env node
import { run } from './program.ts'

// Not left to the event loop: a resolver that hangs would keep the process after its answer.
run(process.argv.slice(2)).then(status => process.exit(status))
