/**
 * The API's description, two pages that show it, and what each problem means, from files of this machine alone. The pages'
 * policy forbids them to ask any other host for anything, so that nothing of a reader is reported anywhere.
 */
import { createReadStream } from 'node:fs'
import { createRequire } from 'node:module'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { acceptedType } from './accept.ts'
import { isProblemCode, type ProblemCode, problemTable } from './errors.ts'
import { openApiDocument } from './openapi.ts'
import { ProblemError } from './problem.ts'

const require = createRequire(import.meta.url)

interface Asset {
  readonly file: string
  readonly type: string
}

const JSON_TYPE = 'application/json'
const SCRIPT = 'text/javascript; charset=utf-8'

/** Every file that is served; nothing else of a package can be reached. */
const assets: Readonly<Record<string, Asset>> = {
  'swagger-ui.css': { file: 'swagger-ui-dist/swagger-ui.css', type: 'text/css; charset=utf-8' },
  'swagger-ui-bundle.js': { file: 'swagger-ui-dist/swagger-ui-bundle.js', type: SCRIPT },
  'favicon-32x32.png': { file: 'swagger-ui-dist/favicon-32x32.png', type: 'image/png' },
  'redoc.standalone.js': { file: 'redoc/bundles/redoc.standalone.js', type: SCRIPT },
}

const PAGE_POLICY =
  "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'"

const START_SCRIPT = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#page', deepLinking: true })\n`

const head = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/docs/assets/favicon-32x32.png">
<title>IronSys API</title>`

const referencePage = `${head}
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
`

const redocPage = `${head}
<style>
body { margin: 0; }
/* The logo of its maker, which the policy does not let it fetch. */
img[src*="//cdn."] { display: none; }
</style>
</head>
<body>
<redoc spec-url="/openapi.json" disable-telemetry="true"></redoc>
<script type="module" src="/docs/assets/redoc.standalone.js"></script>
</body>
</html>
`

const isPublic = { config: { access: 'public' } } as const

export function docsRoutes(app: FastifyInstance): void {
  const description = JSON.stringify(openApiDocument())
  app.get('/openapi.json', isPublic, (_request, reply) =>
    send(reply, `${JSON_TYPE}; charset=utf-8`, 'public, max-age=60', description),
  )
  app.get('/docs', isPublic, (_request, reply) => sendPage(reply, referencePage))
  app.get('/redoc', isPublic, (_request, reply) => sendPage(reply, redocPage))
  app.get('/docs/assets/start.js', isPublic, (_request, reply) =>
    send(reply, SCRIPT, 'public, max-age=3600', START_SCRIPT),
  )
  app.get<{ Params: { file: string } }>('/docs/assets/:file', isPublic, (request, reply) => {
    const asset = Object.hasOwn(assets, request.params.file) ? assets[request.params.file] : undefined
    if (asset === undefined) throw new ProblemError({ code: 'not-found' })
    return send(reply, asset.type, 'public, max-age=3600', createReadStream(require.resolve(asset.file)))
  })
  problemRoutes(app)
}

/** What a problem's `type` leads to. */
function problemRoutes(app: FastifyInstance): void {
  app.get<{ Params: { code: string } }>('/problems/:code', isPublic, (request, reply) => {
    const { code } = request.params
    if (!isProblemCode(code)) throw new ProblemError({ code: 'not-found' })
    const { status, title, when } = problemTable[code]
    reply.header('vary', 'accept')
    if (acceptedType(request.headers.accept, [JSON_TYPE, 'text/html']) === 'text/html') {
      return sendPage(reply, problemPage(code))
    }
    const document = { type: `/problems/${code}`, title, status, code, when }
    return send(reply, `${JSON_TYPE}; charset=utf-8`, 'public, max-age=3600', JSON.stringify(document))
  })
}

/** Nothing in the table has to be escaped. */
function problemPage(code: ProblemCode): string {
  const { status, title, when } = problemTable[code]
  return `${head}
</head>
<body>
<h1>${title}</h1>
<p>${status} <code>${code}</code>: ${when}</p>
</body>
</html>
`
}

function sendPage(reply: FastifyReply, page: string): FastifyReply {
  reply.header('content-security-policy', PAGE_POLICY).header('referrer-policy', 'no-referrer')
  return send(reply, 'text/html; charset=utf-8', 'public, max-age=60', page)
}

function send(reply: FastifyReply, type: string, caching: string, body: unknown): FastifyReply {
  return reply.header('content-type', type).header('cache-control', caching).send(body)
}
