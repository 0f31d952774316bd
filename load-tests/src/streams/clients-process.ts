/**
 * One process of clients, started by clients.ts: opens its streams and tells when each version had arrived at each of them.
 * It reads as little as it can of what comes, so that the clients do not become what is measured.
 */
import { connect, type Socket } from 'node:net'
import { readStreamClientsConfig, type StreamClientsConfig } from '../config.ts'
import { clockMs } from './clock.ts'

/** What is told to the process that started this one. */
export type ClientsReport =
  | { readonly kind: 'open' }
  /** `atMs`: by {@link clockMs}, of each stream. */
  | { readonly kind: 'arrived'; readonly version: number; readonly atMs: readonly number[] }
  | { readonly kind: 'lost'; readonly why: string }

const OPENING_AT_ONCE = 100
/** A WebSocket's ping without content, and the answer. JSON has no zero byte: it is never in a message. */
const PING = '\x89\x00'
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0])
/** Longer than what names a version. */
const KEPT_CHARACTERS = 64

const patterns: Readonly<Record<StreamClientsConfig['form'], RegExp>> = {
  sse: /\nid: \d+\.(\d+)\n/g,
  websocket: /"id":"\d+\.(\d+)"/g,
}

const upgradeLines = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==',
]

const config = readStreamClientsConfig(process.argv.slice(2))
const arrivals = new Map<number, number[]>()
const sockets: Socket[] = []
let opened = 0
let isEnding = false

process.on('disconnect', () => {
  isEnding = true
  for (const socket of sockets) socket.destroy()
})
for (let n = 0; n < Math.min(OPENING_AT_ONCE, config.streams); n++) open()

function open(): void {
  const { hostname, port, pathname } = new URL(config.url)
  const socket = connect(Number(port), hostname)
  sockets.push(socket)
  const isSse = config.form === 'sse'
  const lines = [
    `GET ${pathname}/${isSse ? 'events' : 'ws'} HTTP/1.1`,
    `Host: ${hostname}`,
    ...(isSse ? ['Accept: text/event-stream'] : upgradeLines),
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  let rest = ''
  let isOpen = false
  socket.on('data', (chunk) => {
    const atMs = clockMs()
    const text = rest + chunk.toString('latin1')
    if (!isSse && text.includes(PING)) socket.write(PONG)
    let end = 0
    for (const found of text.matchAll(patterns[config.form])) {
      end = found.index + found[0].length
      arrived(Number(found[1]), atMs)
    }
    rest = text.slice(Math.max(end, text.length - KEPT_CHARACTERS)).replaceAll(PING, '')
    if (end === 0 || isOpen) return
    isOpen = true
    opened++
    if (opened === config.streams) tell({ kind: 'open' })
    if (sockets.length < config.streams) open()
  })
  socket.on('error', (error) => lost(error.message))
  socket.on('end', () => lost(`the server ended it after ${rest}`))
}

function arrived(version: number, atMs: number): void {
  const all = arrivals.get(version) ?? []
  arrivals.set(version, all)
  all.push(atMs)
  if (all.length < config.streams) return
  arrivals.delete(version)
  tell({ kind: 'arrived', version, atMs: all })
}

function lost(why: string): void {
  if (!isEnding) tell({ kind: 'lost', why })
}

function tell(report: ClientsReport): void {
  process.send?.(report)
}
