/**
 * A TCP proxy on loopback that fails on command: it loses answers, loses requests, stalls and cuts.
 *
 * Modes: passing (at first) ⇄ stalled; any mode → closed. While passing, at most one {@link Fault} is armed.
 *
 * Invariants:
 * 1. Bytes that pass are never changed and never overtake each other within a connection.
 * 2. An armed fault fires once, on the first matching chunk of any connection, and its promise then resolves.
 * 3. `lost-answer`: the target has answered, so it has worked on the request; the client sees not one byte of
 *    that answer. `lost-request`: the target sees not one byte of the request.
 */
import { once } from 'node:events'
import net from 'node:net'

const HOST = '127.0.0.1'

/** What happens to a request: its answer is lost, it is lost itself, or only its first half arrives. */
export type Fault = 'lost-answer' | 'lost-request' | 'half-request'

/** How the client's side ends: `reset` as after a crash, `end` as after an orderly shutdown. */
export type Ending = 'reset' | 'end'

export interface FaultOptions {
  /** Tells the chunk that starts a request to be hit; any chunk when absent. */
  readonly matches?: (chunk: Buffer) => boolean
  readonly ending?: Ending
}

export interface TcpProxy {
  readonly host: string
  readonly port: number
  /** Connections open at the moment. */
  connections(): number
  /** Arms one fault, in place of the one still armed, if any. Resolves when it has fired. */
  arm(fault: Fault, options?: FaultOptions): Promise<void>
  /** Takes back a fault that has not fired; its promise never resolves. */
  disarm(): void
  /** Cuts every connection at once. */
  cutAll(ending?: Ending): void
  /** Holds all bytes in both directions; connections stay open and new ones are accepted. */
  stall(): void
  /** Ends a stall: what was held goes on its way. */
  resume(): void
  /** Cuts every connection and stops listening. */
  close(): Promise<void>
}

interface Target {
  readonly targetHost: string
  readonly targetPort: number
}

interface ArmedFault {
  readonly fault: Fault
  readonly matches: (chunk: Buffer) => boolean
  readonly ending: Ending
  readonly fired: () => void
}

/** Listens on a free port of loopback and forwards to the target. */
export async function createTcpProxy({ targetHost, targetPort }: Target): Promise<TcpProxy> {
  const links = new Set<Link>()
  let armed: ArmedFault | null = null
  let stalled = false

  /** Hands out the armed fault when this chunk is the one it waits for. */
  const takeFault = (chunk: Buffer): ArmedFault | null => {
    if (armed === null || !armed.matches(chunk)) return null
    const taken = armed
    armed = null
    return taken
  }
  const server = net.createServer({ noDelay: true }, (client) => {
    const link = new Link(
      client,
      net.connect({ host: targetHost, port: targetPort, noDelay: true }),
      takeFault,
    )
    links.add(link)
    if (stalled) link.pause()
    client.once('close', () => links.delete(link))
  })
  server.listen(0, HOST)
  await once(server, 'listening')

  const cutAll = (ending: Ending = 'reset'): void => {
    for (const link of links) link.cut(ending)
  }
  return {
    host: HOST,
    port: portOf(server),
    connections: () => links.size,
    arm: (fault, options = {}) =>
      new Promise((fired) => {
        armed = { fault, matches: options.matches ?? (() => true), ending: options.ending ?? 'reset', fired }
      }),
    disarm: () => {
      armed = null
    },
    cutAll,
    stall: () => {
      stalled = true
      for (const link of links) link.pause()
    },
    resume: () => {
      stalled = false
      for (const link of links) link.resume()
    },
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      cutAll()
      await closed
    },
  }
}

/** One client connection and its connection to the target. */
class Link {
  readonly #client: net.Socket
  readonly #target: net.Socket
  readonly #takeFault: (chunk: Buffer) => ArmedFault | null
  /** Set when the next answer is to be lost. */
  #losing: ArmedFault | null = null
  #resetting = false

  constructor(client: net.Socket, target: net.Socket, takeFault: (chunk: Buffer) => ArmedFault | null) {
    this.#client = client
    this.#target = target
    this.#takeFault = takeFault
    client.on('data', (chunk: Buffer) => this.#request(chunk))
    target.on('data', (chunk: Buffer) => this.#answer(chunk))
    client.on('end', () => target.end())
    target.on('end', () => client.end())
    // A cut is what this proxy is for: an error on one side ends the other, and that is all there is to say.
    client.on('error', () => target.destroy())
    target.on('error', () => this.#reset())
    client.on('close', () => target.destroy())
  }

  pause(): void {
    this.#client.pause()
    this.#target.pause()
  }

  resume(): void {
    this.#client.resume()
    this.#target.resume()
  }

  cut(ending: Ending): void {
    // Half-sent bytes to the target are flushed by end(): what was forwarded counts as arrived.
    this.#target.end()
    if (ending === 'reset') this.#reset()
    else this.#client.destroySoon()
  }

  /**
   * Node resets by ending first. Destroyed before that end is on its way, by whomever, the socket never closes, and keeps
   * Node itself from ending; and one that is not read from never gets so far.
   */
  #reset(): void {
    if (this.#resetting) return
    this.#resetting = true
    if (this.#client.writableEnded || this.#client.writableLength > 0) this.#client.destroy()
    else this.#client.resetAndDestroy()
  }

  #request(chunk: Buffer): void {
    const fault = this.#losing === null ? this.#takeFault(chunk) : null
    if (fault === null) this.#target.write(chunk)
    else if (fault.fault === 'lost-answer') {
      this.#losing = fault
      this.#target.write(chunk)
    } else {
      if (fault.fault === 'half-request') this.#target.write(chunk.subarray(0, chunk.length >> 1))
      this.#fire(fault)
    }
  }

  #answer(chunk: Buffer): void {
    if (this.#losing === null) this.#client.write(chunk)
    else this.#fire(this.#losing)
  }

  #fire(fault: ArmedFault): void {
    this.cut(fault.ending)
    fault.fired()
  }
}

function portOf(server: net.Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return address.port
}
