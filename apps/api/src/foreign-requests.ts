/**
 * Keeps web pages off the operations port, which may ask for no credentials (AUTH_MODE=none): an operator's browser
 * reaches it, and does what any page tells it. A page of another site gives itself away by `Sec-Fetch-Site` or `Origin`; one whose name was pointed at
 * loopback (DNS rebinding) is of the same site for the browser, and gives itself away by `Host`.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { ProblemError } from './problem.ts'

/** `none` is a person who typed the address. */
const OWN_SITES: readonly unknown[] = [undefined, 'none', 'same-origin']

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

export function refuseForeignRequests(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const detail = foreignTrait(request.headers, request.socket.localAddress)
    done(detail === null ? undefined : new ProblemError({ code: 'foreign-request', detail }))
  })
}

/**
 * What gives a request away; null when it is one of ours. Programs send none of these headers but `Host`. `localAddress`
 * is where its connection came in; one that is not known is taken for loopback.
 */
export function foreignTrait(headers: IncomingHttpHeaders, localAddress: string | undefined): string | null {
  const site = headers['sec-fetch-site']
  if (!OWN_SITES.includes(site)) return `Sec-Fetch-Site is ${site}`
  const host = headers.host === undefined ? null : URL.parse(`http://${headers.host}`)
  if (headers.origin !== undefined && (host === null || URL.parse(headers.origin)?.host !== host.host)) {
    return `Origin is ${headers.origin}`
  }
  // HTTP/1.0 may come without a host, a browser never does.
  if (headers.host === undefined) return null
  const local = isLoopback(localAddress ?? 'localhost')
  return local && (host === null || !isLoopback(host.hostname)) ? `Host is ${headers.host}` : null
}

function isLoopback(name: string): boolean {
  const address = name.replace(/^\[|\]$/g, '')
  const version = isIP(address)
  return version === 0 ? address === 'localhost' : loopback.check(address, version === 4 ? 'ipv4' : 'ipv6')
}
