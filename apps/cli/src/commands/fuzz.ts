/** `fuzz`: a program of load-tests/, on servers of its own. */
import { join } from 'node:path'
import { checkout } from '@ironsys/local'
import type { Command } from '../command.ts'
import { runNode } from '../programs.ts'

export const fuzzCommand: Command = {
  name: 'fuzz',
  summary:
    'schemathesis over the OpenAPI description: no 5xx, nothing undocumented, no invalid body accepted',
  usage: '[--requests 5000] [--minutes 6] [--seed N]',
  details: `Starts servers, an API with AUTH_MODE=jwt and a worker of its own, and asks them what follows from the description, and what
breaks it: examples, the bounds of every field, random requests, and sequences that follow the links of answers.
Installs schemathesis, a Python program, into .ironsys/schemathesis the first time.

  --requests  fewer of them are a failure
  --minutes   of a round; up to 3 of them until there were enough requests
  --seed      the same requests again, as far as the same fit into the time; drawn when it is not given

Exit code: 0 nothing found, 1 something was found, or it failed, 2 wrong usage. What it is told beside the description is in
load-tests/fuzz, each exception with its reason.`,
  run: (args, { environment }) =>
    runNode(join(checkout, 'load-tests', 'src', 'fuzz.ts'), args, { env: environment }),
}
