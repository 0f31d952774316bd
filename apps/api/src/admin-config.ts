/** Runtime settings on the operations port: what is in force here, its versions, and changes. */
import {
  type Changed,
  type ChangeRequest,
  type Difference,
  differences,
  noteSchema,
  patchSchema,
  type ReadableVersion,
  type RolledBack,
  type SettingsVersion,
  settingsWith,
  VERSIONS_KEPT,
} from '@ironsys/settings'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { sendPrivate } from './commands.ts'
import type { OperationsDeps } from './operations.ts'
import { actorOf } from './ownership.ts'
import { invalid, ProblemError } from './problem.ts'
import type { RuntimeSettings } from './runtime-settings.ts'
import { isOutage } from './store.ts'

const PAGE_ITEMS = 50
const RETRY_AFTER_SECONDS = 1

const version = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const note = noteSchema.optional()

const changeBody = z.strictObject({ settings: patchSchema, note })
/** Without a version: to the one before the newest. */
const rollbackBody = z.strictObject({ version: version.optional(), note })
const historyQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(VERSIONS_KEPT).optional(),
  /** The `next_cursor` of the page before. */
  cursor: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
})

type HistoryQuery = z.infer<typeof historyQuery>

const mayOperate = { access: { scope: 'operate' } } as const
const mayAdmin = { access: { scope: 'admin' } } as const

export function configRoutes(app: FastifyInstance, deps: OperationsDeps): void {
  app.route({
    method: 'GET',
    url: '/admin/config',
    config: mayOperate,
    handler: (_request, reply) => {
      const { live } = settingsOf(deps)
      return sendSettings(reply, settingsOf(deps), live.version())
    },
  })

  app.route<{ Querystring: HistoryQuery }>({
    method: 'GET',
    url: '/admin/config/history',
    config: mayOperate,
    schema: { querystring: historyQuery },
    handler: async (request, reply) => {
      const { limit = PAGE_ITEMS, cursor } = request.query
      const versions = await storing(settingsOf(deps).store.history(limit + 1, cursor))
      const items = versions.slice(0, limit)
      const next = versions.length > limit ? (items.at(-1)?.version ?? null) : null
      return sendPrivate(reply, 200, null, {
        items: items.map(versionDocument),
        next_cursor: next === null ? null : String(next),
      })
    },
  })

  app.route<{ Body: z.infer<typeof changeBody> }>({
    method: 'PUT',
    url: '/admin/config',
    config: mayAdmin,
    schema: { body: changeBody },
    handler: async (request, reply) => {
      const settings = settingsOf(deps)
      const { settings: patch, note: why } = request.body
      const changed = await storing(settings.store.change(patch, changeRequest(request, why)))
      return sendChanged(deps, request, reply, settings, changed)
    },
  })

  app.route<{ Body: z.infer<typeof rollbackBody> }>({
    method: 'POST',
    url: '/admin/config/rollback',
    config: mayAdmin,
    schema: { body: rollbackBody },
    preValidation: (request, _reply, done) => {
      request.body ??= {}
      done()
    },
    handler: async (request, reply) => {
      const settings = settingsOf(deps)
      const { version: to = null, note: why } = request.body
      const rolledBack = await storing(settings.store.rollBack(to, changeRequest(request, why)))
      return sendChanged(deps, request, reply, settings, rolledBack)
    },
  })
}

/** Throws 503 while the servers were not reached yet. */
function settingsOf({ settings }: OperationsDeps): RuntimeSettings {
  const connected = settings()
  if (connected !== null) return connected
  throw new ProblemError({ code: 'config-unavailable', retryAfterSeconds: RETRY_AFTER_SECONDS })
}

async function storing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw isOutage(error)
      ? new ProblemError({ code: 'config-unavailable', retryAfterSeconds: RETRY_AFTER_SECONDS }, error)
      : error
  }
}

function changeRequest(request: FastifyRequest, why: string | undefined): ChangeRequest {
  return { by: actorOf(request), note: why ?? null, ifVersion: ifVersionOf(request.headers['if-match']) }
}

/** The version of `If-Match: "<version>"`; null where any will do. Throws a 422 for what is no such tag. */
function ifVersionOf(header: string | undefined): number | null {
  if (header === undefined || header.trim() === '*') return null
  const text = /^\s*"(\d{1,15})"\s*$/.exec(header)?.[1]
  if (text !== undefined) return Number(text)
  throw invalid('header', '/if-match', 'must be one version in quotes, as in ETag, or *')
}

/** What was stored is in force here before it is answered; elsewhere it is at the next look. */
async function sendChanged(
  { auditLog }: OperationsDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  settings: RuntimeSettings,
  changed: Changed | RolledBack,
): Promise<FastifyReply> {
  switch (changed.result) {
    case 'changed': {
      const { from, to } = changed
      const changes = differences(from?.overrides ?? {}, to.overrides).map(differenceText)
      auditLog.info(
        { request_id: request.id, by: to.changedBy, version: to.version, note: to.note, changes },
        'settings changed',
      )
      await settings.live.refresh()
      return sendSettings(reply, settings, to)
    }
    case 'unchanged':
      return sendSettings(reply, settings, changed.at)
    case 'conflict':
      throw new ProblemError({ code: 'config-changed', detail: `The newest version is ${changed.newest}.` })
    case 'no-such-version':
      throw new ProblemError({ code: 'config-version-not-found' })
    case 'unreadable': {
      const { version: number, why } = changed.version
      throw new ProblemError({ code: 'config-unreadable', detail: `Version ${number}: ${why}.` })
    }
  }
}

function differenceText({ name, from, to }: Difference): string {
  return `${name}: ${from ?? 'default'} → ${to ?? 'default'}`
}

/** `at`: the version to be shown; null: none, the environment alone. */
function sendSettings(
  reply: FastifyReply,
  { live }: RuntimeSettings,
  at: ReadableVersion | null,
): FastifyReply {
  const overrides = at?.overrides ?? {}
  const ignored = live.ignored()
  reply.header('etag', `"${at?.version ?? 0}"`)
  return sendPrivate(reply, 200, null, {
    version: at?.version ?? 0,
    settings: settingsWith(live.defaults, overrides),
    overrides,
    /** Of this process, by its environment. */
    defaults: live.defaults,
    changed_by: at?.changedBy ?? null,
    changed_at: at?.changedAt ?? null,
    note: at?.note ?? null,
    ignored: ignored === null ? null : versionDocument(ignored),
  })
}

function versionDocument(stored: SettingsVersion) {
  const isReadable = stored.overrides !== null
  return {
    version: stored.version,
    overrides: isReadable ? stored.overrides : stored.stored,
    changed_by: stored.changedBy,
    changed_at: stored.changedAt,
    note: stored.note,
    /** Why this process cannot read it. */
    unreadable: isReadable ? null : stored.why,
  }
}
