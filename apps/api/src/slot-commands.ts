/** POST /slots and PATCH /slots/:id. */
import {
  type CommandOutcome,
  type CreateSlotRequest,
  metadataFault,
  partitionOfKey,
  type SlotParams,
  topics,
  type UpdateSlotRequest,
} from '@ironsys/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { changeSubmission, submitChange } from './changes.ts'
import { acceptedCommand, createCommands, type Submission, sendPrivate } from './commands.ts'
import { bodyHash, callerOf, idempotencyKeyOf } from './identity.ts'
import { createSlotOutcome, rememberedOutcome } from './outcomes.ts'
import { invalid, sendProblem } from './problem.ts'
import { type RouteContext, routeOptions } from './route.ts'
import { routes } from './routes.ts'
import { utcTime } from './times.ts'

export function slotCommandRoutes(app: FastifyInstance, context: RouteContext): void {
  const { deps } = context
  const commands = createCommands(deps)

  app.route<{ Body: CreateSlotRequest }>({
    ...routeOptions(context, routes.createSlot),
    handler: async (request, reply) => {
      const content = slotContent(request.body)
      const submission = createSubmission(context, request, content)
      const { id } = submission
      const { place, outcome } = await commands.submit(submission, request, reply, (at) =>
        createSlotOutcome(deps, { id, ...content }, at),
      )
      deps.slots.dropMissing(id)
      // The id came from the key alone: another body under it is another request with the same key.
      const reused = outcome?.code === 'slot-exists' && request.body.id === undefined
      if (reused) return sendProblem(request, reply, { code: 'idempotency-key-reused', id })
      if (outcome !== null) return sendSlotOutcome(request, reply, id, outcome, 201)
      const message = 'Slot creation accepted and queued for processing'
      return sendPrivate(
        reply,
        202,
        `/slots/${id}`,
        acceptedCommand(commands, submission, place, request, message),
      )
    },
  })

  app.route<{ Params: SlotParams; Body: UpdateSlotRequest }>({
    ...routeOptions(context, routes.updateSlot),
    handler: (request, reply) => {
      const { id } = request.params
      const submission = updateSubmission(context, request, id, request.body)
      return submitChange(commands, request, reply, {
        submission,
        url: `/slots/${id}`,
        message: 'Slot change accepted and queued for processing',
        askStore: () => rememberedOutcome(deps, submission.id, submission.bodyHash),
        send: (outcome) => sendSlotOutcome(request, reply, id, outcome, 200),
      })
    },
  })
}

type SlotContent = Omit<CreateSlotRequest, 'id' | 'idempotency_key'>

/** Checks what a schema cannot; times become UTC. */
function slotContent(body: CreateSlotRequest): SlotContent {
  const { idempotency_key, id, ...content } = body
  const { metadata } = body
  const optionalTime = (text: string | null, pointer: string) =>
    text === null ? null : utcTime(text, 'body', pointer)
  const start_time = utcTime(body.start_time, 'body', '/start_time')
  const end_time = utcTime(body.end_time, 'body', '/end_time')
  const sales_open_at = optionalTime(body.sales_open_at, '/sales_open_at')
  const sales_close_at = optionalTime(body.sales_close_at, '/sales_close_at')
  if (end_time <= start_time) throw invalid('body', '/end_time', 'must be after start_time')
  if (sales_open_at !== null && sales_close_at !== null && sales_close_at <= sales_open_at) {
    throw invalid('body', '/sales_close_at', 'must be after sales_open_at')
  }
  const fault = metadata === undefined ? null : metadataFault(metadata)
  if (fault !== null) throw invalid('body', '/metadata', fault)
  return { ...content, start_time, end_time, sales_open_at, sales_close_at }
}

function createSubmission(
  { deps, options }: RouteContext,
  request: FastifyRequest<{ Body: CreateSlotRequest }>,
  content: SlotContent,
): Submission {
  const { body } = request
  // A slot's id is its own partition key and embeds none, so the derivation gets one that is always the same.
  const scope = { caller: callerOf(request) ?? '', endpoint: 'POST /slots', partitionKey: 'slots' }
  const key = idempotencyKeyOf(request, body.idempotency_key)
  const made = deps.identity.commandId(scope, key, 0, deps.nowMs())
  const id = body.id ?? made.id
  const hash = slotHash(content)
  return {
    id,
    scope,
    key: made.keyed ? key : null,
    subjectId: id,
    kind: 'create',
    topic: topics.reservationCommands,
    partition: partitionOfKey(id, options.partitions),
    logKey: id,
    command: { type: 'create_slot', ...content, body_hash: hash },
    bodyHash: made.keyed ? hash : undefined,
  }
}

/** What is as it was before slots had holds, limits and waitlists does not count: older slots keep their hashes. */
function slotHash({ hold_ttl_seconds, max_per_user, waitlist, ...rest }: SlotContent): string {
  return bodyHash({
    ...rest,
    hold_ttl_seconds: hold_ttl_seconds ?? undefined,
    max_per_user: max_per_user ?? undefined,
    waitlist: waitlist || undefined,
  })
}

function updateSubmission(
  context: RouteContext,
  request: FastifyRequest,
  slotId: string,
  { idempotency_key, ...change }: UpdateSlotRequest,
): Submission {
  if (Object.keys(change).length === 0) throw invalid('body', '', 'must change at least one field')
  const partition = partitionOfKey(slotId, context.options.partitions)
  const home = { topic: topics.reservationCommands, partition }
  return changeSubmission(context, home, {
    id: slotId,
    key: idempotencyKeyOf(request, idempotency_key),
    caller: callerOf(request) ?? undefined,
    endpoint: 'PATCH /slots',
    command: { type: 'update_slot', slot_id: slotId, ...change },
    hash: bodyHash(change),
  })
}

function sendSlotOutcome(
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
  { code, detail, slot }: CommandOutcome,
  doneStatus: 200 | 201,
): FastifyReply {
  if (code !== 'ok') return sendProblem(request, reply, { code, detail, id })
  if (slot === undefined) throw new Error(`the outcome of a command on slot ${id} has no slot`)
  return sendPrivate(reply, doneStatus, `/slots/${id}`, slot)
}
