/** Dead letters on the operations port. */
import { commandTopics, limits } from '@ironsys/contracts'
import {
  type DeadLetter,
  type DeadLetters,
  deadLetterCodes,
  deadLetterStatuses,
  type Redriven,
  subjectOf,
} from '@ironsys/dead-letters'
import { LogOverloadedError, LogUnavailableError, OutcomeUnknownError } from '@ironsys/engine'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { sendPrivate } from './commands.ts'
import type { OperationsDeps } from './operations.ts'
import { actorOf } from './ownership.ts'
import { ProblemError } from './problem.ts'
import { reading } from './store.ts'

const PAGE_ITEMS = 50
const RETRY_AFTER_SECONDS = 1

const params = z.strictObject({
  id: z.string().regex(/^[1-9][0-9]{0,14}$/, 'must be the number of a dead letter'),
})
const query = z.strictObject({
  status: z.enum(deadLetterStatuses).optional(),
  code: z.enum(deadLetterCodes).optional(),
  topic: z.enum(commandTopics).optional(),
  partition: z.coerce.number().int().min(0).max(65_535).optional(),
  limit: z.coerce.number().int().min(1).max(limits.pageItemsMax).optional(),
  /** The `next_cursor` of the page before. */
  cursor: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
})

const mayOperate = { access: { scope: 'operate' } } as const

type Params = z.infer<typeof params>
type Query = z.infer<typeof query>

export function deadLetterRoutes(app: FastifyInstance, deps: OperationsDeps): void {
  app.route<{ Querystring: Query }>({
    method: 'GET',
    url: '/admin/dead-letters',
    config: mayOperate,
    schema: { querystring: query },
    handler: async (request, reply) => {
      const { limit = PAGE_ITEMS, cursor, ...filter } = request.query
      const { items, next } = await reading(lettersOf(deps).list(filter, limit, cursor))
      return sendPrivate(reply, 200, null, { items, next_cursor: next === null ? null : String(next) })
    },
  })

  app.route<{ Params: Params }>({
    method: 'GET',
    url: '/admin/dead-letters/:id',
    config: mayOperate,
    schema: { params },
    handler: async (request, reply) => {
      const shown = await reading(lettersOf(deps).show(Number(request.params.id)))
      if (shown === null) throw new ProblemError({ code: 'dead-letter-not-found' })
      return sendPrivate(reply, 200, null, shown)
    },
  })

  app.route<{ Params: Params }>({
    method: 'POST',
    url: '/admin/dead-letters/:id/redrive',
    config: mayOperate,
    schema: { params },
    handler: (request, reply) => redrive(deps, request, reply),
  })
}

/** Throws 503 while the servers were not reached yet. */
function lettersOf({ deadLetters }: OperationsDeps): DeadLetters {
  const letters = deadLetters()
  if (letters !== null) return letters
  throw new ProblemError({ code: 'reads-unavailable', retryAfterSeconds: RETRY_AFTER_SECONDS })
}

async function redrive(
  deps: OperationsDeps,
  request: FastifyRequest<{ Params: Params }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const id = Number(request.params.id)
  return sendRedriven(reply, await redriveOrProblem(lettersOf(deps), id, actorOf(request)))
}

async function redriveOrProblem(letters: DeadLetters, id: number, by: string): Promise<Redriven> {
  try {
    return await letters.redrive(id, by)
  } catch (error) {
    const problem = logProblem(error)
    if (problem !== null) throw problem
    return reading(Promise.reject(error))
  }
}

function sendRedriven(reply: FastifyReply, redriven: Redriven): FastifyReply {
  switch (redriven.result) {
    case 'redriven': {
      const subject = subjectOf(redriven.letter.topic, redriven.value)
      // A path of the public API: what the command is about shows what became of it.
      const location = subject === null ? null : `/${subject.kind}s/${subject.id}`
      return sendPrivate(reply, 202, location, redrivenDocument(redriven.letter))
    }
    case 'not-found':
      throw new ProblemError({ code: 'dead-letter-not-found' })
    case 'not-open':
      throw new ProblemError({ code: 'dead-letter-not-open', detail: `It is ${redriven.status}` })
    case 'busy':
      throw new ProblemError({ code: 'dead-letter-busy', retryAfterSeconds: RETRY_AFTER_SECONDS })
    case 'not-text':
      throw new ProblemError({ code: 'dead-letter-not-text' })
  }
}

function redrivenDocument({ id, command_id, status, redriven_partition, redriven_offset }: DeadLetter) {
  return { id, command_id, status, redriven_partition, redriven_offset }
}

/** Null for what is no fault of the log. In all cases the dead letter is still open. */
function logProblem(error: unknown): ProblemError | null {
  const retryAfterSeconds = RETRY_AFTER_SECONDS
  if (error instanceof LogOverloadedError)
    return new ProblemError({ code: 'overloaded', retryAfterSeconds }, error)
  if (error instanceof LogUnavailableError) {
    return new ProblemError({ code: 'log-unavailable', retryAfterSeconds }, error)
  }
  if (!(error instanceof OutcomeUnknownError)) return null
  const detail = 'The record may be in the log. Redrive it again: the command takes effect at most once.'
  return new ProblemError({ code: 'outcome-unknown', detail, retryAfterSeconds }, error)
}
