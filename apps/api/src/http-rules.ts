/** What Node would refuse before anybody hears of it is refused here: with a problem, counted and logged as others are. */
import type { IncomingMessage, RequestListener, Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { ProblemError } from './problem.ts'

/** Makes Node hand such requests on to `route`. To be created with `requireHostHeader: false`. */
export function takeUnexpected(server: Server, route: RequestListener): void {
  server.on('checkExpectation', route)
}

/** Whether a request has the Host that HTTP/1.1 asks for (RFC 9112 §3.2). */
export function namesHost({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.host !== undefined || httpVersion !== '1.1'
}

/** As Node tells those that it answers with 100 by itself. */
const CONTINUE = /(?:^|\W)100-continue(?:$|\W)/i

/** The connection ends with it: what comes behind it may be a body that nobody knows the meaning of. */
export function refuseMalformed(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { headers, httpVersion } = request.raw
    const problem = !namesHost(request.raw)
      ? new ProblemError({ code: 'bad-request', detail: 'HTTP/1.1 takes a Host header.' })
      : httpVersion === '1.1' && headers.expect !== undefined && !CONTINUE.test(headers.expect)
        ? new ProblemError({ code: 'expectation-failed' })
        : undefined
    if (problem !== undefined) reply.header('connection', 'close')
    done(problem)
  })
}
