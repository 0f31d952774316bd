/**
 * zod owns the shapes; Ajv runs them, compiled once, because it validates a reservation in a fraction of the time.
 * Only when something is wrong is zod asked to say what. Bodies are taken as they are: nothing is coerced or removed.
 */
import { Ajv } from 'ajv'
import type { FastifySchemaCompiler } from 'fastify'
import { z } from 'zod'
import { type FieldError, ProblemError } from './problem.ts'

/** More faults than this are not listed. */
const FAULTS_MAX = 20

const ajv = new Ajv({ useDefaults: true, coerceTypes: false, removeAdditional: false, allErrors: false })

/** The value itself, with the defaults of absent fields filled in, or what is wrong with it. */
export type Check<T> = (value: unknown) => { readonly value: T } | { readonly errors: readonly FieldError[] }

/** Compiles a schema without transforms. */
export function compileCheck<T>(schema: z.ZodType<T>, part: FieldError['in']): Check<T> {
  const validate = ajv.compile<T>(jsonSchemaFor(schema))
  return (value) => {
    if (validate(value)) return { value }
    const explained = explain(schema, value, part)
    if (explained.length > 0) return { errors: explained }
    const fault = validate.errors?.[0]
    return {
      errors: [{ in: part, pointer: fault?.instancePath ?? '', detail: fault?.message ?? 'is not valid' }],
    }
  }
}

/** Formats are dropped where a pattern says the same. */
function jsonSchemaFor(schema: z.ZodType) {
  return z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-7',
    override: ({ jsonSchema }) => {
      if (jsonSchema.pattern !== undefined) delete jsonSchema.format
    },
  })
}

/** What is wrong with a value, by zod; empty when nothing is. */
function explain(schema: z.ZodType, value: unknown, part: FieldError['in']): FieldError[] {
  const { error } = schema.safeParse(value)
  return error === undefined
    ? []
    : error.issues.flatMap((issue) => faultsOf(issue, part)).slice(0, FAULTS_MAX)
}

function faultsOf(issue: z.core.$ZodIssue, part: FieldError['in']): FieldError[] {
  const pointer = pointerOf(issue.path)
  if (issue.code !== 'unrecognized_keys') return [{ in: part, pointer, detail: issue.message }]
  return issue.keys
    .slice(0, FAULTS_MAX)
    .map((key) => ({ in: part, pointer: pointer + pointerOf([key.slice(0, 100)]), detail: 'Unknown field' }))
}

/** RFC 6901. */
function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

const partNames: Readonly<Record<string, FieldError['in']>> = {
  body: 'body',
  params: 'path',
  querystring: 'query',
}

/**
 * What Fastify calls once per route and part. A query's text becomes what it means by zod; a request without one,
 * the common case, is not parsed at all.
 */
export const validatorCompiler: FastifySchemaCompiler<unknown> = ({ schema, httpPart }) => {
  if (!(schema instanceof z.ZodType)) throw new Error(`the schema of ${httpPart} is not a zod schema`)
  const part = partNames[httpPart ?? ''] ?? 'header'
  const check = part === 'query' ? null : compileCheck(schema, part)
  return (value: unknown) => {
    if (check === null) return parseQuery(schema, value)
    const checked = check(value)
    return 'value' in checked
      ? true
      : { error: new ProblemError({ code: 'invalid-request', errors: checked.errors }) }
  }
}

function parseQuery(schema: z.ZodType, value: unknown): { value: unknown } | { error: Error } {
  if (typeof value === 'object' && value !== null && isEmpty(value)) return { value }
  const parsed = schema.safeParse(value)
  if (parsed.success) return { value: parsed.data }
  return { error: new ProblemError({ code: 'invalid-request', errors: explain(schema, value, 'query') }) }
}

function isEmpty(object: object): boolean {
  for (const _ in object) return false
  return true
}
