/** What every change to something that exists goes through: its command, and the answer to who asked for it. */
import type { CommandOutcome, CommandTopic } from '@ironsys/contracts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type AskStoreAt, acceptedCommand, type Commands, type Submission, sendPrivate } from './commands.ts'
import type { RouteContext } from './route.ts'

/** Where the commands about something lie. */
export interface ChangeHome {
  readonly topic: CommandTopic
  readonly partition: number
}

interface Change {
  /** What is changed. */
  readonly id: string
  readonly key: string | null
  /** Under whose name its id is made, where that is known. */
  readonly caller: string | undefined
  /** Whose it has to be; undefined: anybody's. */
  readonly owner?: string | undefined
  readonly endpoint: string
  readonly command: Submission['command']
  /** Of the body, where it says more than whom it is about: with a key the command carries it. */
  readonly hash?: string
}

export interface ChangeSubmission extends Submission {
  /** Whose it has to be; undefined: anybody's. */
  readonly owner: string | undefined
}

export function changeSubmission(
  { deps }: RouteContext,
  { topic, partition }: ChangeHome,
  { id, key, caller, owner, endpoint, command, hash }: Change,
): ChangeSubmission {
  const scope = { caller: caller ?? '', endpoint, partitionKey: id }
  const made = deps.identity.commandId(scope, key, 0, deps.nowMs())
  const bodyHash = made.keyed ? hash : undefined
  return {
    id: made.id,
    scope,
    key: made.keyed ? key : null,
    subjectId: id,
    kind: 'change',
    topic,
    partition,
    logKey: id,
    command: { ...command, body_hash: bodyHash },
    bodyHash,
    owner,
  }
}

export interface ChangeRequest {
  readonly submission: Submission
  /** Of what is changed. */
  readonly url: string
  /** Of the 202: what was accepted. */
  readonly message: string
  readonly askStore: AskStoreAt
  send(outcome: CommandOutcome): FastifyReply | Promise<FastifyReply>
}

/** Appends the change and answers: what was decided, with `Prefer: wait`, or that it is durable. */
export async function submitChange(
  commands: Commands,
  request: FastifyRequest,
  reply: FastifyReply,
  { submission, url, message, askStore, send }: ChangeRequest,
): Promise<FastifyReply> {
  const { place, outcome } = await commands.submit(submission, request, reply, askStore)
  if (outcome !== null) return send(outcome)
  return sendPrivate(reply, 202, url, acceptedCommand(commands, submission, place, request, message))
}
