/** Whose request it is, as far as addresses tell: one answer for everybody who counts by address. */
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv4 } from 'node:net'
import { addressKey } from '@ironsys/rate-limiter'

/** What the client's address counts as: an IPv4 address, or the first 64 bits of an IPv6 address. */
export type AddressOf = (request: Pick<IncomingMessage, 'socket' | 'headers'>) => string

/**
 * `trusted`: addresses and CIDRs of proxies. With none the client is who is connected, whatever it says. Else it is the last
 * one in `X-Forwarded-For` that is not such a proxy; where a proxy wrote there what is no address, the proxy itself.
 */
export function createAddressOf(trusted: readonly string[]): AddressOf {
  if (trusted.length === 0) return ({ socket }) => addressKey(socket.remoteAddress ?? '')
  const proxies = new BlockList()
  for (const each of trusted) addProxy(proxies, each)
  return ({ socket, headers }) => {
    let address = plainAddress(socket.remoteAddress ?? '')
    const forwarded = headers['x-forwarded-for']
    if (forwarded === undefined || !isTrusted(proxies, address)) return addressKey(address)
    const said = [forwarded].flat().join(',').split(',').reverse()
    for (const entry of said) {
      const before = plainAddress(entry)
      if (isIP(before) === 0) break
      address = before
      if (!isTrusted(proxies, address)) break
    }
    return addressKey(address)
  }
}

/** Whether it is an address or a CIDR. */
export function isProxyName(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || more.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128))
}

function addProxy(proxies: BlockList, name: string): void {
  const [address = '', prefix] = name.split('/')
  const family = isIPv4(address) ? 'ipv4' : 'ipv6'
  if (prefix === undefined) proxies.addAddress(plainAddress(address), familyOf(plainAddress(address)))
  else proxies.addSubnet(address, Number(prefix), family)
}

function isTrusted(proxies: BlockList, address: string): boolean {
  return isIP(address) !== 0 && proxies.check(address, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6'
}

/** Without what some proxies add, brackets and a port; IPv4 as IPv4. */
function plainAddress(text: string): string {
  const trimmed = text.trim()
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(trimmed)?.[1]
  const address = bracketed ?? /^([\d.]+):\d+$/.exec(trimmed)?.[1] ?? trimmed
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
}
