#!/usr/bin/env node
import { run } from './program.ts'

// Not left to the event loop: a resolver that hangs would keep the process after its answer.
process.exit(await run(process.argv.slice(2)))
