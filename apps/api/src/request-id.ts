/** X-Request-Id: the client's where it is safe to repeat and to log, else one of ours. */
import type { IncomingMessage } from 'node:http'

const safeId = /^[\w.:~+/=-]{1,128}$/

export type RequestIds = (request: Pick<IncomingMessage, 'headers'>) => string

export function createRequestIds(instanceId: string): RequestIds {
  let count = 0
  return ({ headers }) => {
    const given = headers['x-request-id']
    if (typeof given === 'string' && safeId.test(given)) return given
    count++
    return `${instanceId}-${count.toString(36)}`
  }
}
