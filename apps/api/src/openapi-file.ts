/** Prints the OpenAPI document: `node apps/api/src/openapi-file.ts > docs/openapi.json`. */
import { openApiDocument } from './openapi.ts'

process.stdout.write(`${JSON.stringify(openApiDocument(), null, 2)}\n`)
